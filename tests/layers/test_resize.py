import keras
import numpy as np
import pytest
from backend import gradients, to_numpy
from keras import ops
from skimage import transform

from lrl_keras.layers import BilinearResize

SIZES = [
    ((38, 38), (10, 10)), ((19, 19), (10, 10)), ((10, 10), (20, 20)), ((5, 7), (17, 32)),
    ((13, 17), (5, 40)), ((1, 1), (4, 4)), ((17, 2), (1, 1)), ((75, 75), (299, 299)),
]  # fmt: skip
# Unit roundoff of the half-precision types.
ROUNDOFF = {"mixed_float16": 2**-11, "mixed_bfloat16": 2**-8}


def maps(size, batch=2, channels=3):
    rng = np.random.default_rng(sum(size))
    return rng.uniform(0, 1, (batch, *size, channels)).astype("float32")


def scikit_image(values, size):
    """Bilinear between pixel centres, by scikit-image in float64."""
    return np.stack(
        [
            transform.resize(value.astype("float64"), size, order=1, mode="edge",
                             anti_aliasing=False)
            for value in values
        ]
    )  # fmt: skip


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_equals_scikit_image(source, target):
    values = maps(source)
    result = to_numpy(BilinearResize(*target)(values))
    np.testing.assert_allclose(result, scikit_image(values, target), atol=1e-5)


# Not at 299, where Keras's own float32 coordinates are wrong by more than 1e-5.
@pytest.mark.parametrize(("source", "target"), SIZES[:-1])
def test_equals_the_resize_of_keras(source, target):
    values = maps(source)
    result = to_numpy(BilinearResize(*target)(values))
    expected = to_numpy(ops.image.resize(values, target, interpolation="bilinear", antialias=False))
    np.testing.assert_allclose(result, expected, atol=1e-5)


@pytest.mark.parametrize(("source", "target"), SIZES)
def test_every_policy(policy, source, target):
    layer = BilinearResize(*target)
    values = to_numpy(ops.cast(maps(source), layer.compute_dtype))
    result = layer(ops.cast(values, layer.compute_dtype))
    assert keras.backend.standardize_dtype(result.dtype) == layer.compute_dtype
    # Each of the two products rounds its weights and its result.
    tolerance = 1e-5 if policy == "float32" else 4.1 * ROUNDOFF[policy]
    np.testing.assert_allclose(to_numpy(result), scikit_image(values, target), atol=tolerance)


def test_same_size_changes_nothing(policy):
    layer = BilinearResize(7, 9)
    values = ops.cast(maps((7, 9)), layer.compute_dtype)
    np.testing.assert_array_equal(to_numpy(layer(values)), to_numpy(values))


def test_can_stay_in_float32_under_a_mixed_policy(policy):
    values = maps((19, 17))
    result = BilinearResize(10, 33, dtype="float32")(values)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(result), scikit_image(values, (10, 33)), atol=1e-5)


def test_gradient_is_the_transpose():
    values, direction = maps((6, 5), batch=1), maps((9, 4), batch=1)
    layer = BilinearResize(9, 4)
    ((gradient,), _) = gradients(lambda x: ops.multiply(layer(x), direction), [values])
    basis = np.eye(30).reshape(30, 6, 5, 1)
    expected = np.tensordot(scikit_image(basis, (9, 4))[..., 0], direction[0], axes=2)
    np.testing.assert_allclose(gradient[0].reshape(30, 3), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-1, 1)])
def test_refuses_sizes(size):
    with pytest.raises(ValueError, match="must be at least 1"):
        BilinearResize(*size)


@pytest.mark.parametrize("shape", [(None, 8, 3), (8, 8), (8, 8, None)])
def test_refuses_shapes(shape):
    with pytest.raises(ValueError, match="Expected maps of shape"):
        BilinearResize(4, 4)(keras.Input(shape))


def test_refuses_another_size_than_it_was_built_for():
    layer = BilinearResize(4, 4)
    layer(maps((8, 8)))
    for size in ((4, 4), (9, 8)):
        with pytest.raises(ValueError, match="expected axis"):
            layer(maps(size))
