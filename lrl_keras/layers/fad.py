"""Frequency-aware decomposition of F3-Net."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lrl_keras.layers.frequency_filter import dct_matrix, times


@keras.saving.register_keras_serializable("lrl_keras")
class FAD(keras.layers.Layer):
    """Frequency-aware decomposition: an image as a sum of bands of its spatial frequencies.

    With D the DCT-II matrix of the side S, each channel x of the image gives for each band b

        y_b = Dᵀ ((D x Dᵀ) * (M_b + 2 sigmoid(W_b) - 1)) D

    where M_b is 1 at the coefficients (i, j) with i + j inside the band, bounds included, else 0,
    and W_b is learnt. The bounds are 0, `S // 2.82`, `S // 2` and 2 S: for large S, 1/16, 1/16 and
    7/8 of the coefficients.

    It is computed and returned in float32 under every dtype policy.

    Args:
        bands: `3`, the paper's, or `4`, its authors' repository's, whose fourth M_b is 1
            everywhere. Defaults to `3`.

    Call arguments:
        images: (B, S, S, C) in any range, S and C static.

    Returns:
        float32 (B, S, S, C * bands), the channels of one band next to each other.

    Reference: Qian et al., "Thinking in Frequency: Face Forgery Detection by Mining
    Frequency-aware Clues", ECCV 2020, Sec. 3.1. The bounds, the formula of the learnt part and its
    initial values, normal with a deviation of 0.1, are those of the repository.
    """

    def __init__(self, bands: int = 3, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if bands not in (3, 4):
            raise ValueError(f"`bands` must be 3 or 4. Received: bands={bands}")
        self.bands = int(bands)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        known = len(input_shape) == 4 and None not in input_shape[1:]
        if not known or input_shape[1] != input_shape[2]:
            raise ValueError(
                "Expected square images of shape (B, S, S, C) with S and C known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        _, side, _, channels = input_shape
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: side, 2: side, 3: channels})
        index = np.add.outer(np.arange(side), np.arange(side))
        middle, high, most = side // 2.82, side // 2, 2 * side
        bounds = [(0, middle), (middle, high), (high, most), (0, most)][: self.bands]
        self._bands = np.stack([(low <= index) & (index <= top) for low, top in bounds])
        self._dct = dct_matrix(side)
        self.masks = self.add_weight(
            name="masks",
            shape=(self.bands, side, side),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
            autocast=False,
        )

    def call(self, images: Any) -> Any:
        _, side, _, channels = images.shape
        maps = ops.transpose(ops.cast(images, "float32"), (0, 3, 1, 2))
        maps = ops.reshape(maps, (-1, side, side))
        coefficients = times(ops.matmul(self._dct, maps), self._dct.T)
        coefficients = ops.reshape(coefficients, (-1, 1, channels, side * side))
        masks = self._bands.astype("float32") + 2 * ops.sigmoid(self.masks) - 1
        kept = coefficients * ops.reshape(masks, (self.bands, 1, side * side))
        kept = ops.reshape(kept, (-1, side, side))
        maps = times(ops.matmul(self._dct.T, kept), self._dct)
        maps = ops.reshape(maps, (-1, self.bands * channels, side, side))
        return ops.transpose(maps, (0, 2, 3, 1))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*input_shape[:-1], input_shape[-1] * self.bands)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype="float32")

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one image."""
        _, side, _, channels = self.input.shape
        return 2 * side**3 * channels * (1 + self.bands)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "bands": self.bands}
