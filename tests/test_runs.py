"""Run directories, and the one that comes with the package."""

import json

import h5py
import numpy as np
import pytest
from networks import tiny

import lrl_keras
from lrl_keras.errors import InputError
from lrl_keras.saving import run


@pytest.fixture(scope="module")
def default():
    return lrl_keras.load("default")


def test_the_shipped_detector_is_small_and_says_where_it_comes_from(default):
    folder = run.SHIPPED
    assert sum(path.stat().st_size for path in folder.iterdir()) < 15e6
    config = json.loads((folder / run.CONFIG).read_text())
    assert isinstance(default, lrl_keras.LRL)
    assert set(config) >= {"command", "settings", "records", "calibration", "versions", "hardware"}
    label = default.get_layer("label").bias.numpy()
    assert np.isfinite(label).all()


def test_damage_of_the_shipped_detector_is_named(tmp_path, monkeypatch):
    folder = run.SHIPPED
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    content = bytearray((folder / run.BEST).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / run.BEST).write_bytes(content)
    monkeypatch.setattr(run, "SHIPPED", tmp_path)
    with pytest.raises(InputError, match=rf"{run.BEST}: damaged"):
        run.load("default")


def test_nothing_is_written_under_its_name():
    with pytest.raises(InputError, match="name of the shipped detector"):
        lrl_keras.save(tiny(), "default")


def test_halved_kernels_stay_within_a_thousandth_and_nothing_else_changes(tmp_path):
    model = tiny()
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(np.abs(rng.normal(0, 1e-3, variable.shape)) + 1e-6)
    run.save(model, tmp_path / "half", half=True)
    run.save(model, tmp_path / "whole")
    again = lrl_keras.load(tmp_path / "half")
    for before, after in zip(model.variables, again.variables, strict=True):
        before, after = np.asarray(before), np.asarray(after)
        if before.ndim > 1:
            np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-7)
        else:
            np.testing.assert_array_equal(after, before)
    sizes = [(tmp_path / name / run.BEST).stat().st_size for name in ("half", "whole")]
    kernels = sum(np.size(variable) for variable in model.variables if len(variable.shape) > 1)
    assert sizes[1] - sizes[0] > 1.9 * kernels
    with h5py.File(tmp_path / "half" / run.BEST) as file:
        kinds = set()
        file.visititems(lambda _, item: kinds.add(str(getattr(item, "dtype", None))))
    assert kinds == {"None", "float16", "float32"}
