import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from networks import (
    ABLATIONS,
    arrays,
    assert_close,
    assert_outputs,
    dataset,
    element,
    faces,
    randomise,
    tiny,
)
from numpy.testing import assert_allclose
from sklearn.metrics import log_loss, mean_squared_error

from lrl_keras import LRL
from lrl_keras.layers import similarity_target
from lrl_keras.optimizers import AdamL2

# JAX compiles each operation for each shape: it runs the cases without a mark of TensorFlow's.
TF = pytest.mark.tensorflow
SIZES = [
    ("tiny", 65),
    *(pytest.param("tiny", size, marks=TF) for size in (32, 96)),
    *(pytest.param("mobilenet_v3_small", size, marks=TF) for size in (75, 96)),
    *(pytest.param("efficientnet_b0", size, marks=TF) for size in (64, 75)),
    pytest.param("efficientnet_lite0", 75, marks=TF),
    *(pytest.param("xception", size, marks=[TF, pytest.mark.slow]) for size in (75, 96)),
    pytest.param("efficientnet_b4", 64, marks=[TF, pytest.mark.slow]),
    pytest.param("efficientnet_b4", 75, marks=[TF, pytest.mark.long]),
]
ROWS = [pytest.param(row, marks=() if row == "all" else TF) for row in ABLATIONS]


@pytest.mark.parametrize(("name", "size"), SIZES)
def test_outputs(name, size):
    model = LRL(name, image_size=size)
    assert_outputs(model(faces(2, size)), size, 5, 2)


@TF
@pytest.mark.parametrize("patches", [1, 2, 3, 5, 7])
def test_any_number_of_patches(patches):
    assert_outputs(tiny(patches=patches)(faces(1, 64)), 64, patches, 1)


@pytest.mark.parametrize("row", ROWS)
def test_ablations_fit_the_same_dataset(row):
    model = tiny(**ABLATIONS[row])
    # One row as users train; to trace and compile all of them would take a minute.
    model.compile(run_eagerly=row != "all")
    before = [to_numpy(variable) for variable in model.trainable_variables]
    records = dataset(2, 64)
    history = model.fit(records, validation_data=records, shuffle=False, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert {"loss", "label_accuracy", "label_auc", "label_eer", "val_loss"} <= set(history)
    assert ("similarity_loss" in history) == model.similarity
    for variable, value in zip(model.trainable_variables, before, strict=True):
        assert np.any(to_numpy(variable) != value), variable.path
    assert_outputs(model(faces(1, 64)), 64, 5 if model.similarity else 0, 1)
    names = {layer.name for layer in model.layers}
    assert ("frequency_filter" in names) == model.frequency
    assert ("rfam_high" in names) == model.rfam


@TF
@pytest.mark.long
def test_fits_compiled_by_xla():
    model = tiny()
    model.compile(jit_compile=True)  # as training does on a GPU
    history = model.fit(dataset(2, 64), shuffle=False, verbose=0).history
    assert np.isfinite(history["loss"]).all()


@TF
@pytest.mark.parametrize(
    "arguments", [{"attend_streams": False}, {"decoder": "deepfakebench"}, {"head_norm": False}]
)
def test_options_fit(arguments, policy):
    model = tiny(**arguments)
    model.compile(run_eagerly=True)
    assert np.isfinite(model.fit(dataset(2, 64), shuffle=False, verbose=0).history["loss"]).all()


@TF
@pytest.mark.parametrize("attend_streams", [True, False])
def test_attended_maps_feed_the_next_stage_or_not(attend_streams):
    model = tiny(attend_streams=attend_streams)
    # Attention that lets nothing of the low maps through.
    low, mid = model.get_layer("rfam_low"), model.get_layer("rfam_mid")
    low.attend.kernel.assign(ops.zeros(low.attend.kernel.shape))
    low.attend.bias.assign([-200.0, -200.0])
    for stream in keras.Model(model.input, mid.input)(faces(1, 64)):
        assert (np.abs(to_numpy(stream)).max() == 0) == attend_streams


@TF
@pytest.mark.parametrize("head_norm", [True, False])
def test_the_label_is_learned_from_similarities_near_one(head_norm):
    model = tiny(patches=3, head_norm=head_norm)
    similarity = keras.Input((9, 9))
    label = similarity
    for name in (*(("entries", "head_norm") if head_norm else ()), "flatten", "label"):
        label = model.get_layer(name)(label)
    head = keras.Model(similarity, label)
    head.compile(AdamL2(1e-3), "binary_crossentropy")
    # As of a network that is being trained: one pattern, and slight signs of a forgery in it.
    rng = np.random.default_rng(0)
    labels = np.arange(256)[:, None] % 2
    signs = rng.normal(0, 0.01, (9, 9)) * labels[..., None]
    shared = rng.uniform(0.85, 0.99, (9, 9)) - rng.uniform(0, 0.05, (256, 1, 1))
    found = shared + signs + rng.normal(0, 0.005, (256, 9, 9))
    head.fit(found, labels, batch_size=32, epochs=40, shuffle=False, verbose=0)
    loss = head.evaluate(found, labels, verbose=0)
    # To know nothing is ln 2, 0.693.
    assert loss < 0.6 if head_norm else loss > 0.68


def test_what_was_normalised_in_training_is_so_afterwards():
    norm = tiny(patches=3).get_layer("head_norm")
    # As of a network that was trained for some epochs of few faces.
    rng = np.random.default_rng(0)
    similarity = rng.normal(0.9, 0.06, (4, 9, 9, 1)).astype("float32")
    for _ in range(100):
        trained = to_numpy(norm(similarity, training=True))
    assert_allclose(to_numpy(norm(similarity)), trained, atol=0.05)
    assert np.ptp(trained) > 3


@pytest.mark.parametrize("row", [pytest.param("rgb", marks=TF), "all"])
def test_default_loss_is_equation_13(row):
    model = randomise(tiny(**ABLATIONS[row]))
    model.compile()
    images, targets, weights = element(3, 64)
    outputs = {name: value.astype("float64") for name, value in arrays(model(images)).items()}
    label, mask = targets["label"], targets["mask"]
    expected = log_loss(label, outputs["label"])
    # The sum over faces of known mask, over all faces of the batch.
    expected += sum(log_loss(mask[i].ravel(), outputs["mask"][i].ravel()) for i in (1, 2)) / 3
    if model.similarity:
        target = to_numpy(similarity_target(mask, 5))
        expected += 10 * sum(
            mean_squared_error(target[i].ravel(), outputs["similarity"][i].ravel()) for i in (1, 2)
        ) / 3  # fmt: skip
    found = model.compute_loss(images, targets, model(images), weights, training=False)
    assert to_numpy(found) == pytest.approx(expected, rel=1e-5)


def test_unknown_masks_do_not_count():
    model = randomise(tiny())
    model.compile()
    images, targets, weights = element(2, 64)
    outputs = model(images)
    first = to_numpy(model.compute_loss(images, targets, outputs, weights))
    targets["mask"], targets["similarity"] = (targets["mask"].copy() for _ in range(2))
    targets["mask"][0] = targets["similarity"][0] = 1
    assert to_numpy(model.compute_loss(images, targets, outputs, weights)) == first


def test_compile_defaults_are_the_papers():
    model = tiny()
    model.compile()
    assert isinstance(model.optimizer, AdamL2)
    assert float(ops.convert_to_numpy(model.optimizer.learning_rate)) == pytest.approx(2e-4)
    assert model.optimizer.weight_decay == 1e-5


def test_call_and_predict_agree_and_leave_the_statistics():
    model = randomise(tiny(75))
    before = [to_numpy(weight) for weight in model.weights]
    images = faces(3, 75)
    expected = model.predict(images, verbose=0)
    assert_close(arrays(model(images)), expected)
    assert_close(arrays(model(images, training=False)), expected)
    assert_close(model.predict_on_batch(images), expected)
    alone = arrays(model(images[1:2]))
    assert_close(alone, {name: value[1:2] for name, value in expected.items()})
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), value)


@TF
@pytest.mark.parametrize(
    "name", ["mobilenet_v3_small", pytest.param("efficientnet_b0", marks=pytest.mark.long)]
)
def test_call_and_predict_agree_with_other_backbones(name):
    model = randomise(LRL(name, image_size=64))
    images = faces(2, 64)
    expected = model.predict(images, verbose=0)
    assert_close(arrays(model(images)), expected)
    assert_close(arrays(model(images, training=False)), expected)
    assert_close(arrays(model(images[:1])), {key: value[:1] for key, value in expected.items()})


def test_mixed_policies_come_close_to_float32(policy):
    images = faces(2, 64)
    mixed = randomise(tiny())
    outputs = mixed(images)
    assert_outputs(outputs, 64, 5, 2)
    keras.mixed_precision.set_global_policy("float32")
    exact = tiny()
    exact.set_weights(mixed.get_weights())
    # A dozen layers, each rounded to 11 and 8 bits.
    tolerance = {"float32": 1e-6, "mixed_float16": 3e-4, "mixed_bfloat16": 2e-3}[policy]
    assert_close(arrays(outputs), arrays(exact(images)), tolerance)


PICTURES = {
    "black": np.zeros((64, 64, 3)),
    "gray": np.full((64, 64, 3), 127.0),
    "white": np.full((64, 64, 3), 255.0),
    "chequered": 255.0 * (np.indices((64, 64)).sum(axis=0) % 2)[..., None].repeat(3, axis=2),
    "half white": np.where(np.arange(64)[:, None, None] < 32, 255.0, 0) * np.ones((64, 64, 3)),
}


@TF
@pytest.mark.parametrize("training", [False, True])
def test_extreme_pictures_have_finite_losses_and_gradients(policy, training):
    model = tiny()
    model.compile()

    def loss(images, mask, label):
        outputs = model(images, training=training)
        targets = {"label": label, "similarity": mask, "mask": mask}
        return model.compute_loss(images, targets, outputs, training=training)

    for picture in PICTURES.values():
        images = np.stack([picture] * 2).astype("float32")
        for forged in (0.0, 1.0):
            mask, label = np.full((2, 64, 64, 1), forged), np.full((2, 1), forged)
            found, weights = gradients(
                loss, [images, mask.astype("float32"), label.astype("float32")],
                model.trainable_variables,
            )  # fmt: skip
            assert np.isfinite(found[0]).all()
            assert all(np.isfinite(gradient).all() for gradient in weights)
        assert_outputs(model(images), 64, 5, 2)


def test_summary_names_the_parts(capsys):
    model = tiny()
    lines = []
    model.summary(print_fn=lines.append, line_length=120)
    text = "\n".join(lines)
    for part in ("frequency_filter", "rgb_low", "frequency_high", "rfam_mid", "similarity",
                 "decoder", "label"):  # fmt: skip
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"image_size": 31}, "`image_size` must be an integer from 32 to 4096"),
        ({"image_size": 64.5}, "`image_size` must be an integer from 32 to 4096"),
        ({"image_size": 4097}, "`image_size` must be an integer from 32 to 4096"),
        ({"patches": 0}, "`patches` must be an integer from 1 to 64"),
        ({"patches": 65}, "`patches` must be an integer from 1 to 64"),
        ({"alpha": 3}, "`alpha` must be in"),
        ({"decoder": "heavy"}, "`decoder` must be one of"),
        ({"backbone": "vgg"}, "`backbone` must be one of"),
        ({"rfam": True, "frequency": False}, "RFAM attends to two streams"),
    ],
)
def test_refuses_arguments(arguments, text):
    with pytest.raises(ValueError, match=text):
        LRL(**{"backbone": "tiny", "image_size": 64, **arguments})


def test_refuses_arguments_that_it_does_not_know():
    with pytest.raises(TypeError, match="patchs"):
        LRL("tiny", image_size=64, patchs=4)
