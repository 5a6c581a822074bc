import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops

from lrl_keras.models.decoder import DECODERS, decoder


def features(size, channels=32, batch=2):
    rng = np.random.default_rng(size)
    return rng.normal(size=(batch, size, size, channels)).astype("float32")


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize(("size", "image_size"), [(3, 96), (10, 299), (1, 33)])
def test_mask_of_the_size_of_the_image(kind, size, image_size):
    model = decoder(kind, (size, size, 16), image_size)
    mask = to_numpy(model(features(size, 16)))
    assert mask.shape == (2, image_size, image_size, 1)
    assert mask.min() > 0
    assert mask.max() < 1


@pytest.mark.tensorflow
@pytest.mark.parametrize("kind", DECODERS)
def test_float32_and_finite_under_every_policy(policy, kind):
    model = decoder(kind, (3, 3, 8), 96)
    maps = ops.cast(features(3, 8), "float16")
    for extreme in (maps, maps * 0, maps * 0 + 255):
        mask = model(extreme)
        assert keras.backend.standardize_dtype(mask.dtype) == "float32"
        assert np.isfinite(to_numpy(mask)).all()


@pytest.mark.parametrize("image_size", [96, 107, 299])
def test_light_convolves_up_to_a_quarter_of_the_image_and_not_beyond(image_size):
    size = -(-image_size // 32)
    model = decoder("light", (size, size, 64), image_size)
    side = model.get_layer("logits").output.shape[1]
    assert image_size <= 4 * side < 2 * image_size + 64


def test_light_is_as_narrow_as_its_docstring_says():
    model = decoder("light", (10, 10, 2008), 299)
    widths = [layer.filters for layer in model.layers if hasattr(layer, "filters")]
    assert widths == [128, 64, 32, 16, 1]


def test_deepfakebench_has_its_shape():
    model = decoder("deepfakebench", (10, 10, 2008), 299)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [256, 256, 256, 256, 128, 128, 64, 64, 1]
    assert all(layer.kernel_size == (3, 3) for layer in convolutions[:-1])
    assert model.get_layer("logits").output.shape[1:3] == (160, 160)


@pytest.mark.tensorflow
def test_gradients_reach_every_weight():
    model = decoder("light", (3, 3, 16), 96)
    _, found = gradients(
        lambda maps: ops.square(model(maps, training=True) - 0.3),
        [features(3, 16)], model.trainable_variables,
    )  # fmt: skip
    for gradient, variable in zip(found, model.trainable_variables, strict=True):
        assert np.abs(gradient).max() > 0, variable.path


def test_unknown_kind():
    with pytest.raises(ValueError, match="`decoder` must be one of"):
        decoder("heavy", (3, 3, 8), 96)
