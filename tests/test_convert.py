"""`lrl-keras convert`: other projects' weights become runs."""

import json

import formula
import h5py
import numpy as np
import pytest

import lrl_keras
from lrl_keras.cli import main
from lrl_keras.errors import InputError
from lrl_keras.models import build
from lrl_keras.saving.convert import convert

pytestmark = pytest.mark.tensorflow

CONVOLUTIONS = {"meso4": 4, "meso_inception4": 16}
FILES = {
    "Meso4_DF": "meso4", "Meso4_F2F": "meso4",
    "MesoInception_DF": "meso_inception4", "MesoInception_F2F": "meso_inception4",
}  # fmt: skip
NAMES = {"conv": "conv2d", "norm": "batch_normalization", "dense": "dense"}


def probability(model, kind):
    return float(model(255 * formula.image(kind, 256, 3).astype("float32")[None])["label"][0, 0])


def original(path, name, offset=0):
    """Write formula weights as Keras 2 would; return the same network of this package."""
    model = build(name)
    layers = [
        *(f"conv{n}" for n in range(1, CONVOLUTIONS[name] + 1)),
        *(f"norm{n}" for n in range(1, 5)), "dense1", "label",
    ]  # fmt: skip
    formula.set_weights(model, layers)
    with h5py.File(path, "w") as file:
        # Keras 2 lists layers by their depth; here the other way round, which is as good.
        for key in reversed(layers):
            number = 2 if key == "label" else int(key.strip("abcdefghijklmnopqrstuvwxyz"))
            kind = "dense" if key == "label" else NAMES[key.rstrip("0123456789")]
            group = f"{kind}_{number + offset}"
            for variable in model.get_layer(key).weights:
                file[f"{group}/{group}/{variable.name}:0"] = np.asarray(variable)
    return model


# An offset as after another network in the same Python: conv2d_9 comes before conv2d_10.
@pytest.mark.parametrize(("name", "offset"), [("meso4", 7), ("meso_inception4", 0)])
def test_the_result_is_one_minus_theirs(name, offset, tmp_path, capsys):
    theirs = original(tmp_path / "theirs.h5", name, offset)
    run = str(tmp_path / "run")
    assert main(["convert", "mesonet", str(tmp_path / "theirs.h5"), run, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"run": run, "detector": name}
    assert "none of the four that MesoNet's authors published" in said.err
    ours = lrl_keras.load(run)
    assert ours.crop_margin == 1.3
    for kind in ("waves", "modular"):
        assert probability(ours, kind) == pytest.approx(1 - probability(theirs, kind), abs=1e-6)
    source = json.loads((tmp_path / "run" / "config.json").read_text())["source"]
    assert (source["kind"], source["file"]) == ("mesonet", "theirs.h5")
    assert source["licence"] is None


@pytest.mark.parametrize("name", FILES)
def test_published_weights_give_one_minus_the_reference(name, shared_data, tmp_path, caplog):
    file = shared_data.parent / "reference" / "mesonet" / f"{name}.h5"
    if not file.is_file():
        pytest.skip(f"no {file}; it is one of MesoNet's published weights")
    run = convert("mesonet", file, tmp_path / "run")
    assert run.detector == FILES[name]
    assert not caplog.records
    model = run.network()
    for kind, expected in formula.REFERENCE["mesonet"][name].items():
        assert probability(model, kind) == pytest.approx(1 - expected, abs=1e-5)
    source = json.loads((tmp_path / "run" / "config.json").read_text())["source"]
    assert (source["published"], source["licence"]) == (f"{name}.h5", "Apache-2.0")


def replaced(key, value):
    def damage(path):
        with h5py.File(path, "r+") as file:
            del file[key]
            if value is not None:
                file[key] = value

    return damage


def cut(path):
    path.write_bytes(path.read_bytes()[:-3000])


def outside(path):
    with h5py.File(path, "r+") as file:
        del file["dense_2/dense_2/bias:0"]
        file.create_dataset(
            "dense_2/dense_2/bias:0", (1,), "f4", external=[(path.with_suffix(".raw"), 0, 4)]
        )


def linked(path):
    path.with_name("other.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["conv2d_1"]
        file["conv2d_1"] = h5py.ExternalLink("other.h5", "conv2d_1")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, "damaged, or no HDF5 file"),
        (lambda path: path.write_bytes(b"weights"), "damaged, or no HDF5 file"),
        (lambda path: path.write_bytes(b""), "damaged, or no HDF5 file"),
        (replaced("conv2d_3", None), "Received: 3, 4 and 2"),
        (linked, "Received: 3, 4 and 2"),
        (replaced("conv2d_3/conv2d_3/bias:0", None), "conv2d_3 has no bias"),
        (replaced("conv2d_3/conv2d_3/bias:0", np.zeros(8, "f4")), r"expected \(16,\) numbers"),
        (replaced("dense_2/dense_2/bias:0", [b"1"]), "expected"),
        (replaced("dense_2/dense_2/bias:0", np.array([np.nan], "f4")), "is not finite"),
        (outside, "outside"),
    ],
)  # fmt: skip
def test_other_files_are_refused_in_one_line(damage, words, tmp_path):
    file = tmp_path / "theirs.h5"
    original(file, "meso4")
    damage(file)
    with pytest.raises(InputError, match=words) as caught:
        convert("mesonet", file, tmp_path / "run")
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "\n" not in message
    assert "download it again from https://github.com/DariusAf/MesoNet" in message
    assert not (tmp_path / "run").exists()


def test_other_mistakes_are_one_line(tmp_path, capsys):
    original(tmp_path / "theirs.h5", "meso4")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    for kind, file, run, words in (
        ("xception", "theirs.h5", "new", "kind must be one of mesonet. Received: 'xception'"),
        ("mesonet", "no.h5", "new", "no.h5: cannot be read (No such file or directory)"),
        ("mesonet", "theirs.h5", "run", "run: holds a run already"),
        ("mesonet", ".", "new", "cannot be read"),
    ):
        assert main(["convert", kind, str(tmp_path / file), str(tmp_path / run)]) == 1
        error = capsys.readouterr().err
        assert words in error
        assert "Traceback" not in error
