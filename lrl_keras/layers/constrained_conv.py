"""Convolution whose kernels predict each pixel from its neighbours (Bayar and Stamm)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("lrl_keras")
class Bayar(keras.constraints.Constraint):
    """Projection of kernels onto prediction-error filters.

    Of each kernel w, one for every input and output channel,

        w(0, 0) = -1    in the centre, and    sum of w(a, b) over (a, b) != (0, 0) = 1

    The others are divided by their sum s, which may be negative. Where |s| < 1e-6 they are shifted
    instead, by (1 - s) / n each, n their number: the nearest kernel that fulfils the constraint.

    Call arguments:
        kernel: (k, k, input channels, output channels), k odd and at least 3.

    Returns:
        the projected kernel, of the same shape.

    Reference: Bayar and Stamm, "A Deep Learning Approach to Universal Image Manipulation Detection
    Using a New Convolutional Layer", IH&MMSec 2016. The projection is that of the authors' later
    code (MISLnet, 2018); what is done at a sum near 0, which it leaves open, is ours.
    """

    def __call__(self, kernel: Any) -> Any:
        shape = tuple(kernel.shape)
        if len(shape) != 4 or shape[0] != shape[1] or shape[0] % 2 == 0 or shape[0] < 3:
            raise ValueError(
                "Expected a kernel of shape (k, k, input channels, output channels) with k odd and "
                f"at least 3. Received: shape {shape}"
            )
        centre = np.zeros((*shape[:2], 1, 1))
        centre[shape[0] // 2, shape[1] // 2] = 1
        centre = ops.cast(centre, kernel.dtype)
        others = 1 - centre
        kernel = ops.multiply(kernel, others)
        total = ops.sum(kernel, axis=(0, 1), keepdims=True)
        vanishes = ops.abs(total) < 1e-6
        scaled = kernel / ops.where(vanishes, 1.0, total)
        shifted = kernel + others * (1 - total) / (shape[0] * shape[1] - 1)
        return ops.where(vanishes, shifted, scaled) - centre


def _projected_glorot(shape, dtype=None):
    return Bayar()(keras.initializers.GlorotUniform()(shape, dtype))


@keras.saving.register_keras_serializable("lrl_keras")
class ConstrainedConv2D(keras.layers.Conv2D):
    """Convolution without bias, the error of a pixel's prediction from its neighbours.

    A constant image gives 0. The kernel begins as Glorot's, projected, and the optimizer projects
    it after each step (`Bayar`). A kernel that is assigned is taken as it is until the next step.

    Args:
        filters: number of output channels.
        kernel_size: side k of the kernels, odd and at least 3. Defaults to `5`, the paper's.
        dtype: type or policy. Defaults to `"float32"` under every global policy: kernels rounded
            to float16 let a part of the image through.
        **kwargs: further arguments of `keras.layers.Conv2D` but those that follow from the
            constraint: `use_bias`, `kernel_constraint` and `kernel_initializer`.

    Call arguments:
        maps: (B, H, W, C); the paper's are gray images, C = 1.

    Returns:
        (B, H - k + 1, W - k + 1, filters) with the default padding, `"valid"`. Zeros around the
        maps would be taken for manipulations.

    Reference: see `Bayar`.
    """

    def __init__(
        self, filters: int, kernel_size: Any = 5, dtype: Any = "float32", **kwargs: Any
    ) -> None:
        super().__init__(
            filters,
            kernel_size,
            dtype=dtype,
            use_bias=False,
            kernel_constraint=Bayar(),
            kernel_initializer=_projected_glorot,
            **kwargs,
        )
        height, width = self.kernel_size
        if height != width or height % 2 == 0 or height < 3:
            raise ValueError(
                "`kernel_size` must be odd, at least 3 and the same in both directions. "
                f"Received: kernel_size={kernel_size}"
            )

    def get_config(self) -> dict[str, Any]:
        given = ("use_bias", "kernel_constraint", "kernel_initializer")
        return {name: value for name, value in super().get_config().items() if name not in given}
