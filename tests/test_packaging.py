"""The wheel: what it holds, and that it works where the repository is not."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from PIL import Image
from skimage import data

import lrl_keras

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it.

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("lrl_keras", "tfrecords")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = set(re.findall(r"^([^#=\s]+)==(\S+)", (ROOT / "constraints/latest.txt").read_text(), re.M))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the repository, built from a copy, for a build leaves files behind."""
    folder = tmp_path_factory.mktemp("wheel")
    copy = shutil.copytree(ROOT, folder / "copy", ignore=ignored)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, copy)
    (found,) = folder.glob("*.whl")
    return found


def ignored(folder, names):
    """Tell what of a folder's content git does not keep: a leading "/" means the top alone."""
    lines = [".git", *(ROOT / ".gitignore").read_text().split()]
    patterns = (x.strip("/") for x in lines if Path(folder) == ROOT or not x.startswith("/"))
    return shutil.ignore_patterns(*patterns)(folder, names)


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory):
    """Programs of a new environment that has the wheel, and else the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder)
    pip("--python", folder / "bin" / "python", "install", "--no-deps", "--no-index", wheel)
    # Folders named in a .pth file come last, and .pth files in them, such as that of an editable
    # installation, are not read.
    (packages,) = folder.glob("lib/python*/site-packages")
    these = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "packages.pth").write_text("\n".join(these))
    return folder / "bin"


def pip(*arguments):
    run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def run(*command, cwd=None):
    """Standard output of a command that must succeed, without the paths of this process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**environment, "PYTHONNOUSERSITE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.long
def test_the_wheel_holds_the_packages_whole_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = (name for name in archive.namelist() if ".dist-info/" not in name)
        found = {name: digest(archive.read(name)) for name in names}
    # All that lies there but compiled modules, whatever its ending.
    assert found == {
        path.relative_to(ROOT).as_posix(): digest(path.read_bytes())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= found.keys()
    shipped = {f"lrl_keras/saving/shipped/{name}" for name in ("config.json", "best.weights.h5")}
    assert shipped <= found.keys()


@pytest.mark.long
def test_the_wheel_works_where_the_repository_is_not(bin_folder, tmp_path):
    show = "import lrl_keras, tfrecords; print(lrl_keras.__file__, tfrecords.__file__, sep='\\n')"
    for file in run(bin_folder / "python", "-c", show, cwd=tmp_path).split():
        assert Path(file).is_relative_to(bin_folder.parent)
    Image.fromarray(data.astronaut()).save(tmp_path / "astronaut.png")
    text = run(bin_folder / "lrl-keras", "predict", "astronaut.png", cwd=tmp_path)
    result = json.loads(text)
    assert result["input"] == "astronaut.png"
    (face,) = result["faces"]
    assert 0 <= face["score"] <= 1


@pytest.mark.parametrize("extra", ["beam", "docs", "export", "serve", "test", "weights"])
def test_packages_of_an_extra_are_pinned(extra):
    for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra]]:
        requirement = Requirement(line)
        versions = [version for name, version in PINS if name == requirement.name]
        assert versions, f"{requirement.name} is not in constraints/latest.txt"
        assert all(version in requirement.specifier for version in versions)


def test_a_version_stands_the_same_in_each_file():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (\S+)$", citation, re.M)[1] == lrl_keras.__version__
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"ruff==([\d.]+)", hooks)) == {v for n, v in PINS if n == "ruff"}
