"""Resizing of feature maps by two products with constant matrices."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops


def _interpolation_matrix(source, target):
    """Compute weights of linear interpolation between pixel centres: float32 (target, source)."""
    centres = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    below = np.floor(centres).astype(int)
    above = np.minimum(below + 1, source - 1)
    fraction = centres - below
    matrix = np.zeros((target, source))
    matrix[np.arange(target), below] += 1 - fraction
    matrix[np.arange(target), above] += fraction
    return matrix.astype("float32")


@keras.saving.register_keras_serializable("lrl_keras")
class BilinearResize(keras.layers.Layer):
    """Bilinear resizing between pixel centres, without antialiasing.

    It equals `keras.ops.image.resize(..., "bilinear", antialias=False)`, but consists of two
    products with constant matrices, which every export format and backend computes alike and
    whose gradient is deterministic.

    Args:
        height: rows of the result, at least 1.
        width: columns of the result, at least 1.

    Call arguments:
        maps: (B, H, W, C) with H, W and C static.

    Returns:
        (B, height, width, C) in the layer's compute dtype.

    Reference: 'resize' of the low and mid maps, Sec. 3.3.
    """

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if height < 1 or width < 1:
            raise ValueError(
                f"`height` and `width` must be at least 1. Received: height={height}, width={width}"
            )
        self.height = int(height)
        self.width = int(width)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "Expected maps of shape (B, H, W, C) with H, W and C known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        _, height, width, _ = input_shape
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: height, 2: width})
        self._rows = _interpolation_matrix(height, self.height)
        self._columns = _interpolation_matrix(width, self.width)

    def call(self, maps: Any) -> Any:
        _, height, width, channels = maps.shape
        if (height, width) == (self.height, self.width):
            return maps
        rows = ops.cast(self._rows, self.compute_dtype)
        columns = ops.cast(self._columns, self.compute_dtype)
        maps = ops.reshape(maps, (-1, height, width * channels))
        maps = ops.reshape(ops.matmul(rows, maps), (-1, self.height, width, channels))
        return ops.matmul(columns, maps)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.height, self.width, input_shape[-1])

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one map."""
        _, height, width, channels = self.input.shape
        if (height, width) == (self.height, self.width):
            return 0
        return self.height * width * channels * (height + self.width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}
