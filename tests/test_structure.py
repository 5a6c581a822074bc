"""Reads the imports of every module: no room reaches where it may not."""

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
VERBS = {
    f"lrl_keras.{verb}"
    for verb in (
        "inspection", "training", "evaluation", "robustness", "prediction", "visualization",
        "export", "benchmark", "serving",
    )
}  # fmt: skip
# The network: Keras and NumPy alone, and of our own rooms only those below.
NETWORK = {
    "lrl_keras.layers": ("lrl_keras.layers",),
    "lrl_keras.losses": ("lrl_keras.layers",),
    "lrl_keras.metrics": ("lrl_keras.layers",),
    "lrl_keras.optimizers": (),
    "lrl_keras.models": (
        "lrl_keras.models", "lrl_keras.layers", "lrl_keras.losses", "lrl_keras.metrics",
        "lrl_keras.optimizers", "lrl_keras.errors",
    ),
}  # fmt: skip
# `callbacks` are training's own: one writes pictures for TensorBoard. `files` needs it for URLs.
TENSORFLOW = (
    "lrl_keras.data", "lrl_keras.training", "lrl_keras.settings", "lrl_keras.callbacks",
    "lrl_keras.fused_norm", "lrl_keras.fixed_sums", "lrl_keras.faces", "lrl_keras.files",
    "lrl_keras.export", "lrl_keras.benchmark", "lrl_keras.quiet", "lrl_keras.runtimes",
    "tfrecords",
)  # fmt: skip
COMMANDS = ("lrl_keras.cli", "lrl_keras.command_line", "lrl_keras.demo")


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
            # `from lrl_keras import faces` imports a module, `from lrl_keras.faces import Face`
            # a name of one.
            found |= {
                f"{base}.{alias.name}" if f"{base}.{alias.name}" in KNOWN else base
                for alias in node.names
            }
    return found


KNOWN = {name.removesuffix(".__init__") for name in MODULES}
IMPORTS = {name.removesuffix(".__init__"): imports(name, path) for name, path in MODULES.items()}


def of(*rooms):
    return {name: found for name, found in IMPORTS.items() if inside(name, rooms)}


@pytest.mark.parametrize("room", NETWORK)
def test_the_network_needs_keras_and_numpy_alone(room):
    for name, found in of(room).items():
        outside = {
            other for other in found
            if other.partition(".")[0] not in {"keras", "numpy", *sys.stdlib_module_names}
            and not inside(other, NETWORK[room])
        }  # fmt: skip
        assert not outside, f"{name} imports {sorted(outside)}"


def test_tensorflow_stays_in_its_rooms():
    for name, found in IMPORTS.items():
        if inside("tensorflow", {other.partition(".")[0] for other in found}):
            assert inside(name, TENSORFLOW), f"{name} imports tensorflow"


def test_verbs_do_not_import_each_other():
    assert of(*VERBS)
    for name, found in of(*VERBS).items():
        own = {verb for verb in VERBS if inside(name, (verb,))}
        others = {other for other in found if inside(other, VERBS - own)}
        assert not others, f"{name} imports {sorted(others)}"


def test_only_the_demo_and_the_command_line_use_verbs():
    for name, found in IMPORTS.items():
        if inside(name, {*VERBS, "lrl_keras.demo", "lrl_keras.cli", "experiments"}):
            continue
        verbs = {other for other in found if inside(other, VERBS)}
        assert not verbs, f"{name} imports {sorted(verbs)}"


def test_nothing_imports_the_command_line():
    for name, found in IMPORTS.items():
        assert name == "lrl_keras.cli" or "lrl_keras.cli" not in found, f"{name} imports cli"


@pytest.mark.parametrize(
    "room",
    [
        "lrl_keras.data",
        "lrl_keras.faces",
        "lrl_keras.video",
        "lrl_keras.drawing",
        "lrl_keras.degradations",
        "tfrecords",
    ],
)
def test_pictures_and_records_know_nothing_of_the_network(room):
    for name, found in of(room).items():
        above = {other for other in found if inside(other, (*NETWORK, *VERBS, "lrl_keras.runs"))}
        assert not above, f"{name} imports {sorted(above)}"


def test_forgeries_are_made_on_arrays_alone():
    blending = of("lrl_keras.data.blending")
    assert blending
    for name, found in blending.items():
        packages = {other.partition(".")[0] for other in found} - set(sys.stdlib_module_names)
        assert packages <= {"numpy", "PIL", "scipy", "lrl_keras"}, f"{name} imports {packages}"


def test_only_the_command_line_the_demo_and_experiments_write_records():
    for name, found in IMPORTS.items():
        if inside(name, ("tfrecords", "experiments", *COMMANDS)):
            continue
        assert not {other for other in found if inside(other, ("tfrecords",))}, name


def test_errors_import_nothing():
    assert IMPORTS["lrl_keras.errors"] == set()


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
