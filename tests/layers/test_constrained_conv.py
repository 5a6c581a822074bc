import keras
import numpy as np
import pytest
from backend import to_numpy
from formula import REFERENCE

from lrl_keras.layers import Bayar, ConstrainedConv2D


def kernels(function, count):
    """(5, 5, 1, count) of a function of k, a and b."""
    a, b, k = np.meshgrid(*map(np.arange, (5, 5, count)), indexing="ij")
    return function(k, a, b)[:, :, None].astype("float32")


def projected(kernel):
    return to_numpy(Bayar()(keras.ops.convert_to_tensor(kernel)))


def test_projection_is_the_reference():
    kernel = kernels(lambda k, a, b: 0.1 * (k + 1) + 0.05 * np.sin(1.3 * a + 0.7 * b + k), 3)
    found = np.moveaxis(projected(kernel)[:, :, 0], -1, 0)
    np.testing.assert_allclose(found, REFERENCE["bayar"]["projected"], atol=1e-6)
    signed = kernels(lambda k, a, b: np.sin(1.3 * a + 0.7 * b + k), 3)
    found = projected(signed)[:, :, 0, 0]
    np.testing.assert_allclose(found, REFERENCE["bayar"]["projected_signed"], atol=1e-5)


def test_a_kernel_without_a_sum_is_moved_as_little_as_can_be():
    kernel = np.zeros((5, 5, 2, 1), "float32")
    kernel[0, 0, 1], kernel[4, 4, 1] = 0.5, -0.5
    found = projected(kernel)
    np.testing.assert_array_equal(found[2, 2], -1)
    np.testing.assert_allclose(found.sum(axis=(0, 1)), 0, atol=1e-6)
    others = np.ones((5, 5, 2, 1), bool)
    others[2, 2] = False
    np.testing.assert_allclose((found - kernel)[others], 1 / 24, rtol=1e-5)


def test_a_projected_kernel_stays():
    kernel = projected(np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32"))
    np.testing.assert_allclose(projected(kernel), kernel, rtol=1e-4, atol=1e-6)


def test_it_begins_projected_and_a_constant_image_gives_nothing(policy):
    layer = ConstrainedConv2D(12)
    found = to_numpy(layer(np.full((1, 9, 9, 1), 0.7, "float32")))
    assert found.shape == (1, 5, 5, 12)
    kernel = to_numpy(layer.kernel)
    np.testing.assert_array_equal(kernel[2, 2], -1)
    np.testing.assert_allclose(found, 0, atol=1e-6 * np.abs(kernel).sum(axis=(0, 1)).max())


@pytest.mark.parametrize("size", [1, 4, (3, 5)])
def test_kernels_without_a_centre_are_refused(size):
    with pytest.raises(ValueError, match="`kernel_size` must be odd"):
        ConstrainedConv2D(2, size)


def test_a_constraint_of_something_else_is_refused():
    with pytest.raises(ValueError, match="Expected a kernel of shape"):
        Bayar()(keras.ops.ones((4, 4, 1, 1)))
