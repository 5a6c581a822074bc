import functools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from backend import to_numpy
from networks import randomise
from skimage import data

from lrl_keras import LRL
from lrl_keras.errors import InputError
from lrl_keras.models.backbones import BACKBONES, LEVELS, streams

# Channels at the strides 8, 16 and 32, from the papers of the backbones.
CHANNELS = {
    "efficientnet_b4": (56, 160, 1792),
    "efficientnet_b0": (40, 112, 1280),
    "efficientnet_lite0": (40, 112, 320),
    "efficientnet_lite1": (40, 112, 320),
    "efficientnet_lite2": (48, 120, 352),
    "xception": (256, 728, 2048),
    "mobilenet_v3_small": (24, 48, 576),
    "tiny": (48, 64, 96),
}
# JAX compiles each operation for each shape, which takes minutes for the large ones.
MARKS = {
    "mobilenet_v3_small": pytest.mark.tensorflow,
    "efficientnet_b0": pytest.mark.tensorflow,
    "efficientnet_lite1": pytest.mark.tensorflow,
    "efficientnet_lite2": pytest.mark.tensorflow,
    "efficientnet_b4": [pytest.mark.tensorflow, pytest.mark.long],
    "xception": [pytest.mark.tensorflow, pytest.mark.slow],
}
EVERY = [pytest.param(name, marks=MARKS.get(name, ())) for name in BACKBONES]
ODD = [pytest.param(*name.values, 107, marks=name.marks) for name in EVERY]


def photograph(size):
    return data.astronaut()[None, :size, :size].astype("float32")


def maps(stages, images):
    """The low, mid and high map of one stream."""
    found = []
    for index, stage in enumerate(stages):
        images = stage(images)
        if index:  # the first is the rescaling
            found.append(images)
    return found


def message(error):
    text = str(error.value)
    assert "\n" not in text
    return text


@functools.cache
def both_streams(name, size):
    return streams(name, size, None, True)


@pytest.mark.parametrize(("name", "size"), [("tiny", 96), *ODD])
def test_strides_and_channels(name, size):
    for gray, stages in enumerate(both_streams(name, size).values()):
        images = keras.Input((size, size, 1 if gray else 3))
        for stride, channels, level in zip(
            (8, 16, 32), CHANNELS[name], maps(stages, images), strict=True
        ):
            # Xception's first convolutions are not padded.
            assert level.shape[1] == level.shape[2] == pytest.approx(size / stride, abs=1)
            assert level.shape[3] == channels


def own_preprocessing(name, size):
    """The network and how it wants its pixels, both as Keras ships them where it does."""
    shape = (size, size, 3)
    if "lite" in name:
        return BACKBONES[name].build(shape, None), lambda images: (images - 127) / 128
    if name == "xception":
        application = keras.applications.xception
        model = application.Xception(include_top=False, weights=None, input_shape=shape)
        return model, lambda images: application.preprocess_input(images.copy())
    if name == "mobilenet_v3_small":
        model = keras.applications.MobileNetV3Small(
            include_top=False, weights=None, input_shape=shape, include_preprocessing=True
        )
        return model, lambda images: images
    letters = name.rpartition("_")[2].upper()
    model = getattr(keras.applications, f"EfficientNet{letters}")(
        include_top=False, weights=None, input_shape=shape
    )
    # With the weights of ImageNet the layer holds its mean and its standard deviation.
    norm = next(x for x in model.layers if isinstance(x, keras.layers.Normalization))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    norm.set_weights([mean, deviation**2, np.array(0)])
    norm.finalize_state()
    return model, lambda images: images


@pytest.mark.parametrize("name", [n for n in EVERY if n.values != ("tiny",)])
@pytest.mark.tensorflow
def test_a_weights_file_gives_what_the_whole_network_gives(name, tmp_path):
    size = 107
    model, preprocess = own_preprocessing(name, size)
    randomise(model)
    path = tmp_path / "backbone.weights.h5"
    model.save_weights(path)
    rgb = streams(name, size, path, False)["rgb"]

    tensors = []
    for tap in BACKBONES[name].taps:
        layer, _, side = tap.partition(".")
        whole = model if tap == "output" else getattr(model.get_layer(layer), side or "output")
        tensors.append(model.output if tap == "output" else whole)
    images = photograph(size)
    expected = keras.Model(model.input, tensors)(preprocess(images), training=False)
    for found, value in zip(maps(rgb, images), expected, strict=True):
        found, value = to_numpy(found), to_numpy(value)
        # Some hundred layers amplify the rounding: relative to the largest entry of the map.
        np.testing.assert_allclose(found, value, atol=1e-5 * np.abs(value).max())


@pytest.mark.parametrize("name", EVERY)
def test_one_channel_stem_is_the_sum_over_the_colours(name):
    both = both_streams(name, 107)
    summed = 0
    for rgb_stage, frequency_stage in zip(both["rgb"][1:], both["frequency"][1:], strict=True):
        for rgb, frequency in zip(rgb_stage.weights, frequency_stage.weights, strict=True):
            expected = to_numpy(rgb)
            if rgb.shape != frequency.shape:
                assert rgb.shape[2] == 3
                assert frequency.shape[2] == 1
                red, green, blue = np.moveaxis(expected, 2, 0)
                expected = (red + green + blue)[:, :, None]
                summed += 1
            np.testing.assert_allclose(to_numpy(frequency), expected, atol=1e-6)
    assert summed == 1


def test_frequencies_are_scaled_like_the_pixels_and_not_shifted():
    both = both_streams("tiny", 96)
    rgb, frequency = both["rgb"][0], both["frequency"][0]
    black, white = np.zeros((1, 96, 96, 3)), np.full((1, 96, 96, 3), 255.0)
    assert to_numpy(rgb(black)).max() == pytest.approx(-1)
    assert to_numpy(rgb(white)).min() == pytest.approx(1)
    assert to_numpy(frequency(black[..., :1])).max() == 0
    assert to_numpy(frequency(white[..., :1])).min() == pytest.approx(2)


def test_tiny_takes_a_file(tmp_path):
    model = randomise(BACKBONES["tiny"].build((64, 64, 3), None))
    model.save_weights(tmp_path / "tiny.weights.h5")
    images = photograph(64)
    stages = streams("tiny", 64, str(tmp_path / "tiny.weights.h5"), False)["rgb"]
    expected = to_numpy(model(images / 127.5 - 1))
    np.testing.assert_allclose(to_numpy(maps(stages, images)[2]), expected, atol=1e-5)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_no_download_is_one_line_with_the_way_out(tmp_path):
    # A new process: where Keras looks for files is read when it is imported.
    code = (
        "from lrl_keras import LRL\n"
        "from lrl_keras.errors import InputError\n"
        "try:\n    LRL('mobilenet_v3_small', 64, weights='imagenet')\n"
        "except InputError as error:\n    print(error)\n"
    )
    # Nothing listens on port 9.
    nowhere = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy")}
    environment = {**os.environ, **nowhere, "KERAS_HOME": str(tmp_path), "no_proxy": ""}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    lines = [line for line in result.stdout.splitlines() if "imagenet" in line]
    assert len(lines) == 1
    for part in ("mobilenet_v3_small", "weights=None", "--weights none", "file"):
        assert part in lines[0]


def test_tiny_has_no_imagenet_weights():
    with pytest.raises(InputError) as error:
        streams("tiny", 64, "imagenet", True)
    assert "weights=None" in message(error)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
@pytest.mark.parametrize(
    "name", ["tiny", pytest.param("mobilenet_v3_small", marks=pytest.mark.tensorflow)]
)
@pytest.mark.parametrize("kind", ["missing", "empty", "noise", "other", "folder"])
def test_unusable_files_are_one_line_that_names_them(name, kind, tmp_path):
    path = tmp_path / "some.weights.h5"
    if kind == "empty":
        path.touch()
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(4096))
    elif kind == "folder":
        path.mkdir()
    elif kind == "other":
        image = keras.Input((8, 8, 3))
        keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save_weights(path)
    with pytest.raises(InputError) as error:
        streams(name, 64, path, True)
    text = message(error)
    assert str(path) in text
    assert "weights=None" in text


@pytest.mark.parametrize("frequency", [False, True])
def test_unknown_names(frequency):
    with pytest.raises(ValueError, match=r"`backbone` must be one of .*'tiny'"):
        streams("resnet", 64, None, frequency)


def hub_resnet():
    hub = pytest.importorskip("keras_hub", reason="keras-hub is in the test extras for 3.11 up")
    return hub.models.ResNetBackbone(
        input_conv_filters=[64], input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 64, 64, 64], stackwise_num_blocks=[1, 1, 1, 1],
        stackwise_num_strides=[1, 2, 2, 2], block_type="basic_block",
        image_shape=(None, None, 3),
    )  # fmt: skip


def hub_densenet():
    hub = pytest.importorskip("keras_hub", reason="keras-hub is in the test extras for 3.11 up")
    return hub.models.DenseNetBackbone(stackwise_num_repeats=[1, 1, 1, 1], growth_rate=8)


def cv_csp_darknet():
    cv = pytest.importorskip("keras_cv", reason="keras-cv is superseded: not in the test extras")
    return cv.models.CSPDarkNetBackbone(
        stackwise_channels=[8, 16, 16, 24], stackwise_depth=[1, 1, 1, 1], include_rescaling=True
    )


OBJECTS = (hub_resnet, hub_densenet, cv_csp_darknet)


@pytest.mark.tensorflow
@pytest.mark.parametrize("make", OBJECTS)
def test_backbone_objects(make, tmp_path):
    backbone = randomise(make())
    before = [to_numpy(weight) for weight in backbone.weights]
    images = photograph(96)
    model = LRL(backbone, image_size=96)
    # Three maps of each stream are cut from copies; the object itself is left out.
    variables = {id(v) for layer in model.layers for v in layer.variables}
    assert variables == {id(variable) for variable in model.variables}

    rgb = maps(streams(backbone, 96, None, True)["rgb"], images)
    own = any(isinstance(layer, keras.layers.Rescaling) for layer in backbone.layers)
    outputs = getattr(backbone, "pyramid_outputs", None) or {
        level: backbone.get_layer(name).output
        for level, name in backbone.pyramid_level_inputs.items()
    }
    expected = keras.Model(backbone.input, [outputs[level] for level in ("P3", "P4", "P5")])(
        images if own else images / 127.5 - 1
    )
    for found, value in zip(rgb, expected, strict=True):
        value = to_numpy(value)
        np.testing.assert_allclose(to_numpy(found), value, atol=1e-5 * np.abs(value).max())

    model.save(tmp_path / "model.keras")
    reloaded = keras.models.load_model(tmp_path / "model.keras")
    for key, value in model.predict(images, verbose=0).items():
        np.testing.assert_allclose(reloaded.predict(images, verbose=0)[key], value, atol=1e-5)

    for weight, value in zip(backbone.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)


@pytest.mark.tensorflow
@pytest.mark.parametrize("make", OBJECTS)
def test_stems_of_backbone_objects(make):
    """A gray picture in three equal colours: the one-channel stem sees what the RGB stem sees."""
    both = streams(randomise(make()), 64, None, True)
    gray = np.random.default_rng(0).normal(size=(1, 64, 64, 1)).astype("float32")
    # Past the rescaling, which shifts the colours alone.
    found = maps([lambda x: x, *both["frequency"][1:]], gray)
    expected = maps([lambda x: x, *both["rgb"][1:]], np.repeat(gray, 3, axis=-1))
    for one, other in zip(found, expected, strict=True):
        other = to_numpy(other)
        np.testing.assert_allclose(to_numpy(one), other, atol=1e-5 * np.abs(other).max())


def test_objects_keep_their_weights():
    backbone = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="brings its own weights"):
        streams(backbone, 64, "imagenet", True)


@pytest.mark.tensorflow
def test_objects_without_a_pyramid():
    image = keras.Input((64, 64, 3))
    with pytest.raises(ValueError, match="Expected a"):
        streams(keras.Model(image, keras.layers.Conv2D(2, 3)(image)), 64, None, True)
    hub = pytest.importorskip("keras_hub", reason="keras-hub is in the test extras for 3.11 up")
    vgg = hub.models.VGGBackbone(
        stackwise_num_repeats=[1, 1, 1, 1, 1], stackwise_num_filters=[4, 4, 4, 4, 4]
    )
    with pytest.raises(ValueError, match="pyramid outputs at the strides 8, 16 and 32"):
        streams(vgg, 64, None, True)


def test_levels_are_ordered():
    assert LEVELS == ("low", "mid", "high")
