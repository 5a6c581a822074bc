"""Band-pass of feature maps by a learnable Laplacian of Gaussian."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from lrl_keras.layers.bilinear_resize import interpolation_matrix

# Binomial of a standard deviation of 1.
_GAUSSIAN = np.array([1, 4, 6, 4, 1]) / 16


def _smoothing(size, stride):
    """Compute up(down(G x)) along one axis as a matrix: float32 (size, size)."""
    reach = len(_GAUSSIAN) // 2
    blur = np.zeros((size, size))
    for row in range(size):
        # Beyond its border, a map goes on as its last row.
        columns = np.clip(np.arange(row - reach, row + reach + 1), 0, size - 1)
        np.add.at(blur[row], columns, _GAUSSIAN)
    small = -(-size // stride)
    down, up = interpolation_matrix(size, small), interpolation_matrix(small, size)
    return (up @ down @ blur).astype("float32")


@keras.saving.register_keras_serializable("lrl_keras")
class LaplacianOfGaussian(keras.layers.Layer):
    """Learnable Laplacian of Gaussian: what maps lose when they are blurred and made smaller.

        x' = W [x - up_s(down_s(G * x))]_s + b

    over some strides s, whose differences are concatenated; W is a 1 x 1 convolution. G is a
    Gaussian of 5 x 5 pixels with a standard deviation of 1 for each channel, not learnt;
    down and up resize bilinearly between pixel centres, to Ceil(H / s) rows and back. Beyond the
    border a map goes on as its last row or column, so that a constant map becomes b.

    The three steps are linear in each axis, and computed as one product with a constant matrix for
    each. All is computed and returned in float32 under every dtype policy: float16 is too coarse
    for the small differences.

    Args:
        filters: channels of the result, at least 1.
        strides: the s, each at least 2. Defaults to `(2, 4, 8)`.

    Call arguments:
        maps: (B, H, W, C) with H, W and C static.

    Returns:
        float32 (B, H, W, filters).

    Reference: Masi et al., "Two-branch Recurrent Network for Isolating Deepfakes in Videos",
    ECCV 2020, Eq. (1). The three scales are the paper's; Gaussian, strides, resizing and bias are
    our defaults.
    """

    def __init__(self, filters: int, strides: Sequence[int] = (2, 4, 8), **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if int(filters) != filters or filters < 1:
            raise ValueError(f"`filters` must be an integer of at least 1. Received: {filters}")
        if not strides or any(int(stride) != stride or stride < 2 for stride in strides):
            raise ValueError(
                f"`strides` must be integers of at least 2, one or more. Received: {strides}"
            )
        self.filters = int(filters)
        self.strides = tuple(int(stride) for stride in strides)

    def build(self, input_shape: Sequence[Any]) -> None:
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "Expected maps of shape (B, H, W, C) with H, W and C known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        _, height, width, channels = input_shape
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: height, 2: width, 3: channels})
        # One below the other, so that maps are read once: see `lrl_keras.training.cpu.fixed_sums`.
        self._rows = np.concatenate([_smoothing(height, stride) for stride in self.strides])
        self._columns = [_smoothing(width, stride) for stride in self.strides]
        self.mix = keras.layers.Conv2D(self.filters, 1, dtype="float32", name="mix")
        self.mix.build((None, height, width, channels * len(self.strides)))

    def call(self, maps: Any) -> Any:
        maps = ops.cast(maps, "float32")
        _, height, width, channels = maps.shape
        count = len(self.strides)
        rows = ops.matmul(self._rows, ops.reshape(maps, (-1, height, width * channels)))
        parts = ops.split(ops.reshape(rows, (-1, count * height, width, channels)), count, axis=1)
        smooth = [
            ops.matmul(columns, part) for columns, part in zip(self._columns, parts, strict=True)
        ]
        differences = ops.tile(maps, (1, 1, 1, count)) - ops.concatenate(smooth, axis=-1)
        return self.mix(differences)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def compute_output_spec(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(maps.shape), dtype="float32")

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one map."""
        _, height, width, channels = self.input.shape
        entries = height * width * channels * len(self.strides)
        return entries * (height + width + self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters, "strides": self.strides}
