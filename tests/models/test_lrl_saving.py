import copy
import json

import keras
import numpy as np
import pytest
from backend import to_numpy
from networks import (
    ABLATIONS,
    arrays,
    assert_close,
    assert_outputs,
    dataset,
    faces,
    randomise,
    tiny,
)

from lrl_keras import LRL
from lrl_keras.optimizers import AdamL2

TF = pytest.mark.tensorflow
ARGUMENTS = {
    "patches": 3, "alpha": 0.2, "head_norm": False, "attend_streams": False,
    "decoder": "deepfakebench",
    "crop_margin": 1.5, "crop_size": 299,
}  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        *(pytest.param(ABLATIONS[row], marks=TF, id=row) for row in ABLATIONS),
        pytest.param(ARGUMENTS, id="other"),
    ],
)
def test_config_and_weights_make_the_same_model(arguments, tmp_path):
    model = randomise(tiny(name="mine", **arguments))
    config = json.loads(json.dumps(model.get_config()))
    again = LRL.from_config(config)
    assert again.get_config() == model.get_config()
    assert again.name == "mine"
    images = faces(2, 64)
    expected = arrays(model(images))
    again.set_weights(model.get_weights())
    assert_close(arrays(again(images)), expected)
    model.save_weights(tmp_path / "some.weights.h5")
    third = LRL.from_config(config)
    third.load_weights(tmp_path / "some.weights.h5")
    assert_close(arrays(third(images)), expected)


def test_config_of_numpy_numbers_is_json():
    model = tiny(
        np.int64(64), patches=np.int32(4), alpha=np.float32(0.25), crop_size=np.int64(96),
        crop_margin=np.float64(1.3),
    )  # fmt: skip
    config = json.loads(json.dumps(model.get_config()))
    expected = {
        "backbone": "tiny", "image_size": 64, "patches": 4, "alpha": 0.25, "crop_size": 96,
        "crop_margin": 1.3, "frequency": True, "rfam": True, "similarity": True,
        "head_norm": True,
    }  # fmt: skip
    assert {key: config[key] for key in expected} == expected


@TF
def test_a_saved_model_goes_on_training(policy, tmp_path):
    model = randomise(tiny())
    model.compile(AdamL2(1e-3, weight_decay=0.1), run_eagerly=True)
    images = faces(2, 64)
    model.fit(dataset(2, 64), shuffle=False, verbose=0)
    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(reloaded, LRL)
    assert_close(reloaded.predict(images, verbose=0), model.predict(images, verbose=0))
    for one in (model, reloaded):
        one.fit(dataset(2, 64), shuffle=False, verbose=0)
    for mine, theirs in zip(model.variables, reloaded.variables, strict=True):
        np.testing.assert_allclose(to_numpy(theirs), to_numpy(mine), atol=1e-6)


@TF
def test_two_models_live_side_by_side():
    images = faces(1, 64)
    first = tiny()
    expected = arrays(first(images))
    second = randomise(LRL("tiny", image_size=96, patches=3))
    assert_outputs(second(faces(1, 96)), 96, 3, 1)
    assert_close(arrays(first(images)), expected, tolerance=0)


@TF
def test_copies_and_clones():
    model, images = randomise(tiny()), faces(1, 64)
    expected = arrays(model(images))
    deep = copy.deepcopy(model)
    assert isinstance(deep, LRL)
    # A clone has the same network, but Keras makes it a plain functional model.
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for one in (deep, clone):
        assert_close(arrays(one(images)), expected)
    deep.set_weights([weight * 0 for weight in deep.get_weights()])
    assert_close(arrays(model(images)), expected, tolerance=0)
