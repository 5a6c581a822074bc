"""Reads the imports of every module: an arrow points left only."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", "."): path
    for folder in ("lrl_keras", "tfrecords", "experiments")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
RULE = (
    "errors < system < media < data < saving < VERBS < cli < experiments",
    "errors < system < layers < losses, metrics, optimizers < models < saving",
    "system < plots < VERBS",
    "data < tfrecords < cli",
)
VERBS = ("training", "evaluation", "prediction", "export", "serving", "benchmark")
# The network: Keras and NumPy alone.
NETWORK = ("layers", "losses", "metrics", "optimizers", "models")
# Beside the rooms of pictures and records: `saving` runs exported files.
TENSORFLOW = (
    "lrl_keras.system.remote", "lrl_keras.system.quiet", "lrl_keras.media.images",
    "lrl_keras.media.faces", "lrl_keras.data", "lrl_keras.saving.runtimes", "lrl_keras.training",
    "lrl_keras.export", "lrl_keras.benchmark", "tfrecords",
)  # fmt: skip
MOST_NAMES = 20
MOST_LINES = 250
LONGER = {"lrl_keras.system.files"}  # Its first line says why.


def inside(name, rooms):
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def imports(module, path):
    """Full names of the modules that a file imports, anywhere in it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    package = package.removesuffix(".__init__")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            # `from lrl_keras.media import faces` imports a module, `from lrl_keras.media.faces
            # import Face` a name of one.
            found |= {
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in KNOWN else base
                for alias in node.names
            }
    return found


KNOWN = {name.removesuffix(".__init__") for name in MODULES}
IMPORTS = {name.removesuffix(".__init__"): imports(name, path) for name, path in MODULES.items()}


def of(*rooms):
    return {name: found for name, found in IMPORTS.items() if inside(name, rooms)}


def room(module):
    """The room of a module: its folder or file in `lrl_keras`, or else its package."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "lrl_keras" and rest else package


def left_of():
    """Rooms that each room may import from: all that stand left of it in `RULE`."""
    left = {}
    for chain in RULE:
        before = set()
        for names in chain.replace("VERBS", ", ".join(VERBS)).split(" < "):
            for name in names.split(", "):
                left.setdefault(name, set()).update(before)
            before |= set(names.split(", "))
    for _ in left:
        for name in left:
            left[name] |= {other for before in left[name] for other in left.get(before, ())}
    return left


def test_an_arrow_points_left_only():
    left = left_of()
    for name, found in IMPORTS.items():
        # The package itself has the version, and hands on by name.
        for other in found - {"lrl_keras"}:
            if other in KNOWN and name != "lrl_keras":
                assert room(other) == room(name) or room(other) in left[room(name)], (
                    f"{name} imports {other}"
                )


def test_the_package_shows_few_names():
    shown = {room(name) for name in KNOWN if inside(name, ("lrl_keras",))}
    assert len(shown) <= MOST_NAMES
    assert shown - {"lrl_keras"} <= left_of().keys()


def test_a_file_is_read_at_one_sitting():
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name for name, count in lines.items() if count > MOST_LINES} == LONGER


@pytest.mark.parametrize("room", NETWORK)
def test_the_network_needs_keras_and_numpy_alone(room):
    found = of(f"lrl_keras.{room}")
    assert found
    for name, others in found.items():
        packages = {other.partition(".")[0] for other in others} - set(sys.stdlib_module_names)
        assert packages <= {"keras", "numpy", "lrl_keras"}, f"{name} imports {packages}"


def test_tensorflow_stays_in_its_rooms():
    for name, found in IMPORTS.items():
        if inside("tensorflow", {other.partition(".")[0] for other in found}):
            assert inside(name, TENSORFLOW), f"{name} imports tensorflow"


def test_forgeries_are_made_on_arrays_alone():
    blending = of("lrl_keras.data.blending")
    assert blending
    for name, found in blending.items():
        packages = {other.partition(".")[0] for other in found} - set(sys.stdlib_module_names)
        assert packages <= {"numpy", "PIL", "scipy", "lrl_keras"}, f"{name} imports {packages}"


def test_the_network_is_imported_on_jax_without_tensorflow():
    code = (
        "import sys, lrl_keras.layers, lrl_keras.losses, lrl_keras.metrics, lrl_keras.optimizers\n"
        "from lrl_keras import LRL\n"
        "print('jax' in sys.modules, 'tensorflow' in sys.modules)"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["True", "False"]
