import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from sklearn.metrics import log_loss, mean_squared_error

from lrl_keras.layers import CentreDistance, similarity_target
from lrl_keras.losses import IsolateLoss, LabelLoss, SegmentationLoss, SimilarityLoss

SIZES = [(32, 32, 5), (17, 32, 4), (299, 299, 5)]


def masks(batch, height, width):
    rng = np.random.default_rng(height)
    return (rng.random((batch, height, width, 1)) < 0.3).astype("float32")


def similarities(batch, k):
    return np.random.default_rng(k).random((batch, k * k, k * k)).astype("float32")


def segmentations(batch, height, width):
    rng = np.random.default_rng(width)
    return rng.uniform(0.01, 0.99, (batch, height, width, 1)).astype("float32")


@pytest.mark.parametrize(("height", "width", "k"), SIZES)
@pytest.mark.parametrize("batch", [1, 3])
def test_similarity_is_the_mean_square(policy, height, width, k, batch):
    mask, predicted = masks(batch, height, width), similarities(batch, k)
    value = SimilarityLoss(k)(mask, predicted)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    # The target itself is compared with an independent one in layers/test_similarity.py.
    target = to_numpy(similarity_target(mask, k))
    expected = mean_squared_error(target.reshape(-1), predicted.reshape(-1))
    assert to_numpy(value) == pytest.approx(expected, abs=1e-5)


def test_similarity_by_hand():
    # Half of the left patch is forged: s = 1 - 0.5² between them.
    mask = np.zeros((1, 4, 4, 1), "float32")
    mask[0, :2, :2] = 1
    mask[0, 0, :2] = 0
    predicted = np.ones((1, 4, 4), "float32")
    errors = [(1 - (1 - 0.5**2)) ** 2] * 6  # patch 0 with the three others, both ways
    value = to_numpy(SimilarityLoss(2)(mask, predicted))
    assert value == pytest.approx(sum(errors) / 16, abs=1e-6)
    value = to_numpy(SimilarityLoss(2, norm=True)(mask, predicted))
    assert value == pytest.approx(np.sqrt(sum(errors)), abs=1e-6)


@pytest.mark.parametrize("batch", [1, 3])
def test_norm_is_the_norm(policy, batch):
    mask, predicted = masks(batch, 32, 31), similarities(batch, 5)
    target = to_numpy(similarity_target(mask, 5)).astype("float64")
    expected = np.mean([np.linalg.norm(e) for e in target - predicted])
    value = to_numpy(SimilarityLoss(5, norm=True)(mask, predicted))
    assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("norm", [False, True])
def test_perfect_prediction_has_a_finite_gradient(policy, norm):
    mask = masks(2, 32, 32)
    mask[0] = 0
    predicted = similarity_target(mask, 5)
    loss = SimilarityLoss(5, norm=norm)
    assert to_numpy(loss(mask, predicted)) == 0
    ((gradient,), _) = gradients(lambda s: loss(mask, s), [predicted])
    np.testing.assert_array_equal(gradient, 0)


def test_norm_of_one_perfect_row_leaves_the_other_its_gradient():
    mask, loss = masks(2, 30, 30), SimilarityLoss(5, norm=True)
    predicted = np.array(to_numpy(similarity_target(mask, 5)))
    predicted[1] -= 0.1
    ((gradient,), _) = gradients(lambda s: loss(mask, s), [predicted])
    np.testing.assert_array_equal(gradient[0], 0)
    # d|e| / de = e / |e|, averaged over the batch of 2.
    np.testing.assert_allclose(gradient[1], -1 / 25 / 2, atol=1e-5)


@pytest.mark.parametrize(("height", "width", "k"), SIZES)
@pytest.mark.parametrize("batch", [1, 3])
def test_segmentation_is_the_log_loss(policy, height, width, k, batch):
    mask, predicted = masks(batch, height, width), segmentations(batch, height, width)
    value = SegmentationLoss()(mask, predicted)
    assert keras.backend.standardize_dtype(value.dtype) == "float32"
    expected = log_loss(mask.reshape(-1), predicted.reshape(-1).astype("float64"))
    assert to_numpy(value) == pytest.approx(expected, abs=1e-5)


def test_segmentation_sum_is_equation_12():
    mask, predicted = masks(2, 32, 17), segmentations(2, 32, 17)
    expected = np.mean(
        [
            log_loss(m.reshape(-1), p.reshape(-1).astype("float64"), normalize=False)
            for m, p in zip(mask, predicted, strict=True)
        ]
    )
    value = to_numpy(SegmentationLoss(pixel_reduction="sum")(mask, predicted))
    # A sum of hundreds: relative to its size.
    assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("batch", [1, 7])
def test_label_is_the_log_loss(policy, batch):
    truth = masks(batch, 1, 1)[:, :, 0, 0]
    predicted = segmentations(batch, 1, 1)[:, :, 0, 0]
    expected = log_loss(truth[:, 0], predicted[:, 0].astype("float64"), labels=[0, 1])
    assert to_numpy(LabelLoss()(truth, predicted)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.tensorflow
@pytest.mark.parametrize("loss", [LabelLoss(), SegmentationLoss()])
@pytest.mark.parametrize("soft", [0.0, 0.1])
def test_logits_that_keras_keeps_lose_nothing(loss, soft):
    # 1 - sigmoid(20) is 0 in float32, yet the loss of the wrong label is 20 and has a gradient.
    logits = np.array([-200, -20, -1, 0, 1, 20, 200], "float32")
    for truth in (soft, 1 - soft):
        for logit in logits:
            x = np.full((2, 1) if isinstance(loss, LabelLoss) else (2, 3, 3, 1), logit)
            truths = np.full(x.shape, truth, "float32")

            def of_logits(x, truths=truths):
                return loss(truths, keras.activations.sigmoid(x))

            value = to_numpy(of_logits(ops.convert_to_tensor(x)))
            ((gradient,), _) = gradients(of_logits, [x])
            wide = logit.astype("float64")
            expected = truth * np.logaddexp(0, -wide) + (1 - truth) * np.logaddexp(0, wide)
            assert value == pytest.approx(expected, rel=1e-6, abs=1e-7)
            slope = 1 / (1 + np.exp(-wide)) - truth
            np.testing.assert_allclose(gradient.sum(), slope, rtol=1e-6, atol=1e-6)


LOSSES = {
    "similarity": (SimilarityLoss(2), similarities(4, 2)),
    "norm": (SimilarityLoss(2, norm=True), similarities(4, 2)),
    "segmentation": (SegmentationLoss(), segmentations(4, 9, 8)),
    "segmentation_sum": (SegmentationLoss(pixel_reduction="sum"), segmentations(4, 9, 8)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_one_value_a_face_and_no_weight_where_no_mask_is_known(name):
    loss, predicted = LOSSES[name]
    mask = masks(4, 9, 8)
    weights = np.array([1.0, 0.0, 2.0, 0.0], "float32")
    each = [to_numpy(loss(mask[i : i + 1], predicted[i : i + 1])) for i in range(4)]
    weighted = to_numpy(loss(mask, predicted, sample_weight=weights))
    assert weighted == pytest.approx(np.dot(each, weights) / 4, rel=1e-5)
    none = to_numpy(loss(mask, predicted, sample_weight=np.zeros(4)))
    assert none == 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_predictions(name, dtype):
    loss, predicted = LOSSES[name]
    mask = masks(4, 9, 8)
    half = ops.cast(predicted, dtype)
    expected = to_numpy(loss(mask, to_numpy(half)))
    assert to_numpy(loss(mask, half)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("truth", [0, 1])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_extremes_stay_finite(policy, name, truth, value):
    loss, predicted = LOSSES[name]
    mask = np.full((4, 9, 8, 1), truth, "float32")
    extreme = np.full(predicted.shape, value, "float32")
    assert np.isfinite(to_numpy(loss(mask, extreme)))
    ((gradient,), _) = gradients(lambda p: loss(mask, p), [extreme])
    assert np.isfinite(gradient).all()


def test_label_config_makes_the_same_loss():
    config = keras.saving.serialize_keras_object(LabelLoss(name="other", reduction="sum"))
    copy = keras.saving.deserialize_keras_object(json.loads(json.dumps(config)))
    assert type(copy) is LabelLoss
    assert (copy.name, copy.reduction) == ("other", "sum")


@pytest.mark.parametrize("name", LOSSES)
def test_config_makes_the_same_loss(name):
    loss, predicted = LOSSES[name]
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    copy = keras.saving.deserialize_keras_object(config)
    assert copy.get_config() == loss.get_config()
    mask = masks(4, 9, 8)
    assert to_numpy(copy(mask, predicted)) == to_numpy(loss(mask, predicted))


def test_refuses_arguments():
    with pytest.raises(ValueError, match="`pixel_reduction` must be"):
        SegmentationLoss(pixel_reduction="max")
    for patches in (0, 2.5):
        with pytest.raises(ValueError, match="`patches` must be an integer of at least 1"):
            SimilarityLoss(patches)


ISOLATE = json.loads(
    (Path(__file__).parent / "fixtures" / "baselines_two_branch.json").read_text("utf-8")
)["isolate_loss"]


def isolated(distances, r_real=0.042, r_fake=1.638):
    """Labels of embeddings that far from the centre, one number each."""
    layer = CentreDistance(r_real, r_fake)
    return layer(np.array(distances, "float32")[:, None])


@pytest.mark.parametrize("kept", [True, False])
def test_isolate_is_the_references(kept):
    score = isolated(ISOLATE["distances"])
    score = score if kept else ops.convert_to_tensor(to_numpy(score))
    loss = IsolateLoss(ISOLATE["r_real"], ISOLATE["r_fake"])
    found = float(loss(np.array(ISOLATE["labels"], "float32")[:, None], score))
    assert found == pytest.approx(ISOLATE["loss"], abs=1e-5)


def test_isolate_counts_both_classes_alike():
    loss = IsolateLoss(1.0, 3.0)
    # Too far by 1, 2, 3 and by 0 of four real ones; too near by 0.5 of one forged one.
    score = isolated([2.0, 3.0, 4.0, 0.5, 2.5], 1.0, 3.0)
    labels = np.array([[0.0], [0], [0], [0], [1]], "float32")
    assert float(loss(labels, score)) == pytest.approx(6 / 4 + 0.5, abs=1e-5)
    # Of one class alone.
    assert float(loss(labels[:4], score[:4])) == pytest.approx(6 / 4, abs=1e-5)
    assert float(loss(labels[4:], score[4:])) == pytest.approx(0.5, abs=1e-5)


@pytest.mark.tensorflow
def test_isolate_pulls_real_ones_from_afar():
    """Where the probability is 1 in float32, the kept logits still have a gradient."""
    for label, sign in ((0.0, 1), (1.0, 0)):

        def loss(far, label=label):
            return IsolateLoss()(np.array([[label]], "float32"), CentreDistance()(far))

        ((found,), _) = gradients(loss, [np.array([[30.0]], "float32")])
        np.testing.assert_allclose(found, [[sign]], rtol=1e-5)


def test_isolate_config_makes_the_same_loss():
    loss = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(IsolateLoss(0.5, 2.0))))
    )
    assert (loss.r_real, loss.r_fake) == (0.5, 2.0)
    with pytest.raises(ValueError, match="0 <= r_real < r_fake"):
        IsolateLoss(2.0, 1.0)
