"""Local frequency statistics of F3-Net."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lrl_keras.layers.frequency_filter import LUMA, dct_matrix

_LEAST = 1e-15


@keras.saving.register_keras_serializable("lrl_keras")
class LFS(keras.layers.Layer):
    """Local frequency statistics: how strong each band of frequencies is in each small window.

    The image in gray, zeros around it, is cut into overlapping windows, and each is transformed by
    a 2-D DCT-II to the coefficients D. Band b has the mask M_b + 2 sigmoid(W_b) - 1, where M_b is 1
    at the coefficients (i, j) with 2 b window / bands <= i + j <= 2 (b + 1) window / bands, else 0,
    and W_b is learnt. Its statistic is

        log10(sum |D * mask_b| + 1e-15)                               with `log_of_sum`, else
        sum(mask_b * log10(|D| + 1e-15)) / (number of ones in M_b)

    The zeros around the image have half of `window - stride` pixels, so that the map has 1 / stride
    of the image's side, rounded down.

    It is computed and returned in float32 under every dtype policy: the coefficients of one window
    differ by many orders.

    Args:
        bands: number of bands. Defaults to `6`.
        window: side of the windows in pixels. Defaults to `10`.
        stride: pixels from one window to the next, at most `window`. Defaults to `2`.
        log_of_sum: `True` for the paper's order of sum and logarithm, `False` for that of its
            authors' repository. Defaults to `True`.
        scale: gray values -1..1 become 0..2 `scale`. Defaults to `127.5`; the repository has 122.5.

    Call arguments:
        images: (B, H, W, 3) RGB or (B, H, W, 1) gray in -1..1, H and W static and at least
            `stride`.

    Returns:
        float32 (B, H // stride, W // stride, bands).

    Reference: Qian et al., "Thinking in Frequency: Face Forgery Detection by Mining
    Frequency-aware Clues", ECCV 2020, Sec. 3.2. The zeros around the image, 1e-15, the formula of
    the learnt part and its initial values, normal with a deviation of 0.1, are those of the
    repository.
    """

    def __init__(
        self,
        bands: int = 6,
        window: int = 10,
        stride: int = 2,
        log_of_sum: bool = True,
        scale: float = 127.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if not 1 <= stride <= window or (window - stride) % 2:
            raise ValueError(
                "`stride` must be from 1 to `window`, and even or odd as `window` is. "
                f"Received: stride={stride}, window={window}"
            )
        if not 1 <= bands <= window:
            raise ValueError(
                f"`bands` must be from 1 to `window`. Received: bands={bands}, window={window}"
            )
        self.bands = int(bands)
        self.window = int(window)
        self.stride = int(stride)
        self.log_of_sum = bool(log_of_sum)
        self.scale = float(scale)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        known = len(input_shape) == 4 and None not in input_shape[1:3]
        if not known or min(input_shape[1:3]) < self.stride or input_shape[3] not in (1, 3):
            raise ValueError(
                "Expected images of shape (B, H, W, 3) or (B, H, W, 1) with H and W known and at "
                f"least {self.stride}. Received: input_shape={tuple(input_shape)}"
            )
        _, height, width, channels = input_shape
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: height, 2: width, 3: channels})
        index = np.add.outer(np.arange(self.window), np.arange(self.window)).reshape(-1, 1)
        position, band = index * self.bands, 2 * self.window * np.arange(self.bands)
        self._bands = (band <= position) & (position <= band + 2 * self.window)
        # Column w i + j is the coefficient (i, j) of a window of side w.
        dct = dct_matrix(self.window)
        self._kernel = np.einsum("ip,jq->pqij", dct, dct).reshape(self.window, self.window, 1, -1)
        self.masks = self.add_weight(
            name="masks",
            shape=(self.bands, self.window, self.window),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
            autocast=False,
        )

    def call(self, images: Any) -> Any:
        # Shifted before the luma, whose weights add up to 1: black is then 0 whatever the order of
        # the sum, and not a rounding error, of which the logarithm would make much.
        gray = (ops.cast(images, "float32") + 1) * self.scale
        _, height, width, channels = gray.shape
        if channels == 3:
            gray = ops.matmul(ops.reshape(gray, (-1, 3)), np.array(LUMA, "float32")[:, None])
            gray = ops.reshape(gray, (-1, height, width, 1))
        around = (self.window - self.stride) // 2
        gray = ops.pad(gray, ((0, 0), (around, around), (around, around), (0, 0)))
        magnitudes = ops.abs(ops.conv(gray, self._kernel, self.stride, "valid"))
        # (bands, window, window) -> (coefficients, bands)
        masks = ops.transpose(ops.reshape(2 * ops.sigmoid(self.masks) - 1, (self.bands, -1)))
        masks = masks + self._bands.astype("float32")
        if self.log_of_sum:
            # |D * mask| = |D| |mask|.
            return ops.log10(self._sums(magnitudes, ops.abs(masks)) + _LEAST)
        masks = masks / self._bands.sum(axis=0).astype("float32")
        return self._sums(ops.log10(magnitudes + _LEAST), masks)

    def _sums(self, maps, weights):
        _, height, width, coefficients = maps.shape
        sums = ops.matmul(ops.reshape(maps, (-1, coefficients)), weights)
        return ops.reshape(sums, (-1, height, width, self.bands))

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        batch, height, width, _ = input_shape
        return (batch, height // self.stride, width // self.stride, self.bands)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype="float32")

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one image."""
        _, height, width, channels = self.input.shape
        _, rows, columns, _ = self.output.shape
        luma = 3 * height * width if channels == 3 else 0
        coefficients = self.window**2
        return luma + rows * columns * coefficients * (coefficients + self.bands)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "bands": self.bands,
            "window": self.window,
            "stride": self.stride,
            "log_of_sum": self.log_of_sum,
            "scale": self.scale,
        }
