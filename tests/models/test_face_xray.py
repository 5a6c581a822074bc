"""Face X-ray: its HRNet, its two outputs, their losses, and its way to a file."""

import functools
import json
import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from backend import to_numpy
from networks import arrays, assert_close, element, faces, lively, randomise
from scipy import signal, special

from lrl_keras.errors import InputError
from lrl_keras.models.backbones.hrnet import HRNETS, hrnet
from lrl_keras.models.zoo import FaceXray

TF = pytest.mark.tensorflow
FIXTURE = Path(__file__).parents[1] / "fixtures" / "baselines_hrnet.json"
SMALL = functools.partial(hrnet, 3, modules=(1, 1, 1), blocks=1)


@pytest.fixture
def small(monkeypatch):
    """An HRNet with all of its kinds of layers, but few of each, for `hrnet_w18`."""
    monkeypatch.setitem(HRNETS, "hrnet_w18", SMALL)


def network(backbone="tiny", size=64, **arguments):
    keras.utils.set_random_seed(1)
    return FaceXray(backbone, size, **arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", HRNETS)
def test_a_trunk_is_as_large_as_the_authors(name):
    expected = json.loads(FIXTURE.read_text())[name]
    model = HRNETS[name](256)
    numbers = {
        part: sum(int(np.prod(variable.shape)) for variable in variables)
        for part, variables in (
            ("trainable", model.trainable_variables),
            ("moving", model.non_trainable_variables),
        )
    }
    assert numbers == {part: expected[part] for part in numbers}
    *side, channels = expected["concatenated"]
    assert list(model.outputs[0].shape[1:3]) == side
    assert [x.shape[1] for x in model.outputs] == [64, 32, 16, 8]
    assert sum(x.shape[-1] for x in model.outputs) == channels


def answers(model, image):
    """The maps of `SMALL`, from SciPy's correlation and the weights of `model` by name."""

    def convolution(x, name, stride=1, relu=True):
        (kernel,) = model.get_layer(f"{name}_conv").get_weights()
        gamma, beta, mean, variance = model.get_layer(f"{name}_norm").get_weights()
        reach = len(kernel) // 2
        x = np.pad(x, ((reach, reach), (reach, reach), (0, 0)))
        x = np.dstack([
            signal.correlate(x, kernel[..., channel], mode="valid", method="direct")[..., 0]
            for channel in range(kernel.shape[-1])
        ])[::stride, ::stride]  # fmt: skip
        x = gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta
        return np.maximum(x, 0) if relu else x

    def residual(x, name, *parts):
        y = x
        for part in parts:
            y = convolution(y, f"{name}_{part}", relu=part != parts[-1])
        if y.shape[-1] != x.shape[-1]:
            x = convolution(x, f"{name}_shortcut", relu=False)
        return np.maximum(x + y, 0)

    def fused(maps, to, name):
        total = 0
        for source, x in enumerate(maps):
            own = f"{name}_{source}_to_{to}"
            if source > to:
                x = convolution(x, own, relu=False)
                x = np.kron(x, np.ones((2 ** (source - to), 2 ** (source - to), 1)))
            for step in range(to - source):
                x = convolution(x, f"{own}_step{step}", 2, relu=step < to - source - 1)
            total = total + x
        return np.maximum(total, 0)

    x = convolution(convolution(image, "stem1", 2), "stem2", 2)
    for block in range(4):
        x = residual(x, f"stage1_block{block}", "reduce", "middle", "expand")
    maps = [convolution(x, "transition2_branch0"), convolution(x, "transition2_branch1", 2)]
    for stage in (2, 3, 4):
        if stage > 2:
            new = f"transition{stage}_branch{stage - 1}"
            maps = [*maps, convolution(maps[-1], new, 2)]
        name = f"stage{stage}_module0"
        maps = [
            residual(x, f"{name}_branch{level}_block0", "first", "second")
            for level, x in enumerate(maps)
        ]
        maps = [fused(maps, level, f"{name}_fuse") for level in range(stage)]
    return maps


def test_a_trunk_computes_what_its_description_says():
    keras.utils.set_random_seed(1)
    model = randomise(SMALL(64))
    (image,) = faces(1, 64) / 128 - 1
    for found, expected in zip(model(image[None]), answers(model, image), strict=True):
        scale = np.abs(expected).max()
        assert scale > 0.1
        np.testing.assert_allclose(to_numpy(found)[0] / scale, expected / scale, atol=1e-5)


def test_a_trunk_has_the_published_number_of_layers():
    # Stem, bottlenecks and their shortcut, new branches, two in a block, fusions of 2, 3, 4 maps.
    parts = [2, 4 * 3 + 1, 2 + 1 + 1, 2 * 4 * (1 * 2 + 4 * 3 + 3 * 4), 1 * 2 + 4 * 7 + 3 * 16]
    layers = hrnet(1, 32).layers
    counts = {
        kind: sum(isinstance(layer, kind) for layer in layers)
        for kind in (keras.layers.Conv2D, keras.layers.BatchNormalization)
    }
    assert set(counts.values()) == {sum(parts)}
    assert not any(layer.use_bias for layer in layers if isinstance(layer, keras.layers.Conv2D))


@pytest.mark.parametrize(("backbone", "size"), [("tiny", 64), ("tiny", 75), ("hrnet_w18", 96)])
def test_outputs(small, policy, backbone, size):
    model = network(backbone, size)
    outputs = model(faces(2, size))
    shapes = {name: tuple(value.shape) for name, value in outputs.items()}
    assert shapes == {"label": (2, 1), "xray": (2, size, size, 1)}
    for value in outputs.values():
        assert keras.backend.standardize_dtype(value.dtype) == "float32"
        assert ((to_numpy(value) > 0) & (to_numpy(value) < 1)).all()


def test_the_label_is_decided_from_the_mean_alone(small):
    model = network("hrnet_w18")
    model.get_layer("label").set_weights([np.array([[30.0]]), np.array([-14.0])])
    outputs = arrays(model(faces(3, 64)))
    expected = special.expit(30 * outputs["xray"].mean(axis=(1, 2)) - 14)
    np.testing.assert_allclose(outputs["label"], expected, atol=1e-5)
    assert len(set(outputs["label"].ravel())) == 3


def test_a_new_label_rises_with_the_mean():
    kernel, bias = network().get_layer("label").get_weights()
    assert (kernel, bias) == (10, 0)


@pytest.mark.parametrize("weight", [None, 7.0])
def test_the_loss_is_that_of_the_label_and_of_every_pixel(weight):
    model = network()
    losses, weights = model.objectives(**({} if weight is None else {"xray_weight": weight}))
    model.compile(keras.optimizers.SGD(), losses, weights)
    images, targets, known = element(4, 64)
    # Targets between 0 and 1; one is not known.
    targets["xray"] = np.random.default_rng(0).uniform(0, 1, targets["mask"].shape)
    known["xray"] = np.array([1, 1, 0, 1], "float32")
    found = model.evaluate(images, targets, sample_weight=known, verbose=0, return_dict=True)
    entropy = {
        name: -(special.xlogy(y, p) + special.xlogy(1 - y, 1 - p)).mean(axis=(*range(1, y.ndim),))
        for name, p in arrays(model(images)).items()
        for y in [np.asarray(targets[name], np.float64)]
    }
    expected = entropy["label"].mean() + (weight or 100) * (entropy["xray"] * known["xray"]).mean()
    np.testing.assert_allclose(found["loss"], expected, rtol=1e-5)


def test_it_learns_where_faces_were_blended():
    model = network()
    model.compile(keras.optimizers.Adam(1e-2))
    images, targets, known = element(4, 64)
    targets["xray"] = np.zeros((4, 64, 64, 1), "float32")
    targets["xray"][1::2, 20:30] = 1
    known["xray"] = known["label"]
    losses = [
        model.train_on_batch(images, targets, known, return_dict=True)["loss"] for _ in range(12)
    ]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("backbone", ["tiny", "hrnet_w18"])
def test_config_and_weights_make_the_same_model(small, backbone, tmp_path):
    model = randomise(network(backbone, name="mine", crop_margin=1.5, crop_size=299))
    again = FaceXray.from_config(json.loads(json.dumps(model.get_config())))
    assert again.get_config() == model.get_config()
    model.save_weights(tmp_path / "some.weights.h5")
    again.load_weights(tmp_path / "some.weights.h5")
    images = faces(2, 64)
    assert_close(arrays(again(images)), arrays(model(images)))


def test_weights_of_a_trunk_are_read_from_a_file(small, tmp_path):
    path = tmp_path / "trunk.weights.h5"
    trunk = randomise(SMALL(64))
    trunk.save_weights(path)
    (stage,) = network("hrnet_w18", weights=path).stages
    for found, expected in zip(stage.get_weights(), trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_random_weights_are_warned_of_before_training(small, tmp_path, recwarn):
    SMALL(64).save_weights(tmp_path / "trunk.weights.h5")
    for quiet in ({"weights": tmp_path / "trunk.weights.h5"}, {"backbone": "tiny"}):
        network(**{"backbone": "hrnet_w18", **quiet}).adapt([])
    assert not any("random weights" in str(each.message) for each in recwarn)
    with pytest.warns(UserWarning, match=r"hrnet_w18 starts from random weights.*efficientnet"):
        network("hrnet_w18").adapt([])


def test_wrong_arguments_are_refused(small, tmp_path):
    with pytest.raises(ValueError, match=r"multiple of 32 with HRNet\. Received: image_size=75"):
        network("hrnet_w18", 75)
    with pytest.raises(ValueError, match="`backbone` must be one of"):
        network("hrnet_w19")
    with pytest.raises(ValueError, match="`width` must be at least 1"):
        hrnet(0, 64)
    with pytest.raises(InputError, match="HRNet has no ImageNet weights here; use weights=None"):
        network("hrnet_w18", weights="imagenet")
    with pytest.raises(InputError, match=r"nowhere.h5: no such weights file; use weights=None"):
        network("hrnet_w18", weights="nowhere.h5")
    (tmp_path / "text.weights.h5").write_text("nothing")
    with pytest.raises(InputError, match=r"text.weights.h5: cannot be loaded"):
        network("hrnet_w18", weights=tmp_path / "text.weights.h5")


@TF
def test_its_name_keeps_no_layer_from_int8(small):
    from lrl_keras.export.graph import KEPT

    model = network("hrnet_w18")
    kept = {layer.name for layer in model.layers if KEPT.search(layer.name)}
    head = {"multi_scale", "border_logits", "border_up", "border", "border_mean", "label"}
    assert kept == {"rgb_scale", *head}
    assert not KEPT.search(model.name)


@TF
def test_it_is_folded(small):
    from lrl_keras.export.folding import inference_form

    model = lively(network("hrnet_w18"))
    form = inference_form(model)
    kinds = {type(layer) for layer in form._flatten_layers()}
    assert keras.layers.BatchNormalization not in kinds
    images = faces(3, 64)
    expected = arrays(model(images))
    assert_close(arrays(form(images)), expected, tolerance=1e-4)
    assert_close(arrays(inference_form(model, "label")(images)), {"label": expected["label"]})


@TF
@pytest.mark.long
@pytest.mark.parametrize("form", ["saved_model", "onnx", "tflite", "openvino"])
def test_it_is_exported_with_its_xray(form, small, tmp_path):
    from lrl_keras.export import export
    from lrl_keras.saving import runtimes

    model = lively(network("hrnet_w18"))
    runtime = runtimes.load(export(model, tmp_path / "out", form))
    assert runtime.outputs == ("label", "xray")
    images = faces(2, 64)
    assert_close(runtime(images), arrays(model(images)), tolerance=1e-4)
    label = runtimes.load(export(model, tmp_path / "label", form, outputs="label"))
    assert label.outputs == ("label",)


@TF
@pytest.mark.long
def test_a_broken_off_training_of_hrnet_goes_on_bit_for_bit(
    small, photograph_records, tmp_path, monkeypatch
):
    from lrl_keras.training import Settings, callbacks, train

    settings = Settings("face_xray", image_size=64, epochs=2, batch_size=8)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    with pytest.warns(UserWarning, match="random weights"):
        train(photograph_records, whole, settings, verbose=0)
    batches = []

    def stop(self, batch, logs=None):
        batches.append(batch)
        if batches.count(0) == 2 and batch:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.StopWhenBroken, "on_train_batch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(photograph_records, resumed, settings, verbose=0)
    train(photograph_records, resumed, resume=True, verbose=0)
    state = "checkpoints/epoch-00002.h5"
    with h5py.File(whole / state) as one, h5py.File(resumed / state) as other:
        for key, array in one.items():
            np.testing.assert_array_equal(array[()], other[key][()], err_msg=array.attrs["path"])
    columns = (whole / "history.csv").read_text().splitlines()[0]
    assert re.search(r"\bval_xray_loss\b", columns)
