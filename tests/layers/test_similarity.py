import math

import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from sklearn.metrics.pairwise import cosine_similarity

from lrl_keras.layers import PatchSimilarity, similarity_target

# (H, W, k): k divides, or not; k**2 patches of which some lie wholly beyond the border.
SHAPES = [(10, 10, 5), (10, 10, 3), (7, 9, 4), (17, 32, 5), (5, 5, 5), (6, 6, 5), (3, 2, 5)]
MASKS = [(299, 299, 5), (160, 160, 5), (17, 32, 4), (32, 17, 5), (6, 6, 5), (4, 4, 1)]


def cut(array, k):
    """The k x k patches in row-major order, as far as they exist: list of (h, w, C)."""
    h, w = (math.ceil(n / k) for n in array.shape[:2])
    return [
        array[row * h : row * h + h, column * w : column * w + w]
        for row in range(k)
        for column in range(k)
    ]


def feature_maps(height, width, batch=2, channels=7):
    rng = np.random.default_rng(height * width)
    return rng.normal(size=(batch, height, width, channels)).astype("float32")


def pairwise(maps, k):
    """Eq. (7) by scikit-learn's cosine, float64; its cosine with a vector of zeros is 0."""
    _, height, width, channels = maps.shape
    full = (math.ceil(height / k), math.ceil(width / k), channels)
    result = []
    for image in maps.astype("float64"):
        vectors = np.zeros((k * k, *full))
        for vector, patch in zip(vectors, cut(image, k), strict=True):
            vector[: patch.shape[0], : patch.shape[1]] = patch
        result.append((cosine_similarity(vectors.reshape(k * k, -1)) + 1) / 2)
    return np.stack(result)


def target(masks, k):
    """Eq. (9), float64; a patch without a pixel counts as real."""
    forged = np.array(
        [[p.mean() if p.size else 0 for p in cut(mask, k)] for mask in masks.astype("float64")]
    )
    return 1 - (forged[:, :, None] - forged[:, None, :]) ** 2


@pytest.mark.parametrize(("height", "width", "k"), SHAPES)
def test_equals_scikit_learn_under_every_policy(policy, height, width, k):
    maps = feature_maps(height, width)
    result = PatchSimilarity(k)(maps)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(result), pairwise(maps, k), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_maps_are_compared_in_float32(dtype):
    maps = ops.cast(feature_maps(10, 10, channels=64) * 300, dtype)
    result = to_numpy(PatchSimilarity(5)(maps))
    np.testing.assert_allclose(result, pairwise(to_numpy(maps), 5), atol=1e-5)


@pytest.mark.parametrize("scale", [1e-5, 1e-3, 1e4, 1e18, 1e37])
def test_length_of_a_vector_does_not_matter(scale):
    maps = feature_maps(10, 10)
    result = to_numpy(PatchSimilarity(5)(maps * np.float32(scale)))
    np.testing.assert_allclose(result, pairwise(maps, 5), atol=1e-5)


def test_opposite_equal_and_silent_patches():
    maps = np.zeros((1, 2, 2, 3), "float32")
    maps[0, 0, 0], maps[0, 0, 1], maps[0, 1, 0] = (1, 2, 3), (2, 4, 6), (-1, -2, -3)
    expected = [[1, 1, 0, 0.5], [1, 1, 0, 0.5], [0, 0, 1, 0.5], [0.5, 0.5, 0.5, 0.5]]
    np.testing.assert_allclose(to_numpy(PatchSimilarity(2)(maps))[0], expected, atol=1e-6)


def test_range_and_symmetry():
    result = to_numpy(PatchSimilarity(5)(np.abs(feature_maps(19, 19, channels=96)) + 5))
    assert result.min() >= 0
    assert result.max() <= 1
    np.testing.assert_allclose(result, result.transpose(0, 2, 1), atol=1e-6)


@pytest.mark.parametrize("magnitude", [1e-30, 1e-7, 1e-5, 1.0, 6e4, 1e30])
def test_gradient_stays_finite_next_to_silence(magnitude):
    maps = feature_maps(6, 6) * np.float32(magnitude)
    maps[:, :3] = 0
    weights = np.arange(16, dtype="float32").reshape(4, 4)
    layer = PatchSimilarity(2)
    ((gradient,), _) = gradients(lambda x: ops.multiply(layer(x), weights), [maps])
    assert np.isfinite(gradient).all()


def test_gradient_by_differences():
    maps, step = feature_maps(4, 4, batch=1, channels=2), 1e-6
    weights = np.random.default_rng(0).normal(size=(4, 4))
    layer = PatchSimilarity(2)
    ((gradient,), _) = gradients(
        lambda x: ops.multiply(layer(x), weights.astype("float32")), [maps]
    )

    def value(maps):
        return np.sum(pairwise(maps, 2) * weights)

    expected = np.zeros(maps.shape)
    for index in np.ndindex(*maps.shape):
        shift = np.zeros(maps.shape)
        shift[index] = step
        expected[index] = (value(maps + shift) - value(maps - shift)) / (2 * step)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width", "k"), MASKS)
def test_target_is_equation_9(policy, height, width, k):
    rng = np.random.default_rng(height + k)
    masks = (rng.random((2, height, width, 1)) < rng.random((2, height, width, 1))) * 1.0
    result = similarity_target(masks.astype("float32"), k)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(result), target(masks, k), atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "bool", "float16", "float64"])
def test_target_takes_masks_of_any_type(dtype):
    masks = np.random.default_rng(3).integers(0, 2, (2, 30, 31, 1))
    result = to_numpy(similarity_target(masks.astype(dtype), 5))
    np.testing.assert_allclose(result, target(masks, 5), atol=1e-5)


@pytest.mark.parametrize("value", [0, 1])
def test_target_of_an_even_mask_is_one(value):
    result = to_numpy(similarity_target(np.full((2, 299, 299, 1), value, "float32"), 5))
    np.testing.assert_allclose(result, 1, atol=1e-5)


def test_patches_are_in_row_major_order():
    mask = np.zeros((1, 299, 299, 1), "float32")
    mask[:, :60, 60:120] = 1  # row 0, column 1
    result = to_numpy(similarity_target(mask, 5))[0]
    assert np.flatnonzero(result[0] == 0).tolist() == [1]
    maps = np.ones((1, 10, 10, 2), "float32")
    maps[:, :2, 2:4, 1] = -1
    similar = to_numpy(PatchSimilarity(5)(maps))[0]
    assert np.flatnonzero(similar[0] < 0.6).tolist() == [1]


@pytest.mark.parametrize("patches", [0, -1, 2.5])
def test_refuses_patches(patches):
    with pytest.raises(ValueError, match="`patches` must be an integer of at least 1"):
        PatchSimilarity(patches)
    with pytest.raises(ValueError, match="`patches` must be an integer of at least 1"):
        similarity_target(np.zeros((1, 8, 8, 1)), patches)


@pytest.mark.parametrize("shape", [(None, 8, 3), (8, 8), (8, 8, None)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Expected maps of shape"):
        PatchSimilarity(2)(keras.Input(shape))
