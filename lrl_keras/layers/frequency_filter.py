"""Frequency-aware cue (Eq. 1-3, Sec. 3.1)."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

# ITU-R BT.601 luma weights of R, G and B.
LUMA = (0.299, 0.587, 0.114)


def dct_matrix(n: int) -> np.ndarray:
    """Compute the orthonormal DCT-II matrix D: `D @ x` is the DCT of a vector x, `D.T` inverts it.

    Args:
        n: length of the vector, at least 1.

    Returns:
        float32 array (n, n); row i is the cosine of frequency i.
    """
    if n < 1:
        raise ValueError(f"`n` must be at least 1. Received: n={n}")
    frequency = np.arange(n)[:, None]
    position = np.arange(n)[None, :]
    matrix = np.cos(np.pi * frequency * (2 * position + 1) / (2 * n)) * np.sqrt(2 / n)
    matrix[0] = np.sqrt(1 / n)
    return matrix.astype("float32")


def times(maps: Any, matrix: Any) -> Any:
    """Multiply (B, m, n) by (n, p) as one product of matrices, whose shapes exports know."""
    _, m, n = maps.shape
    return ops.reshape(ops.matmul(ops.reshape(maps, (-1, n)), matrix), (-1, m, matrix.shape[-1]))


@keras.saving.register_keras_serializable("lrl_keras")
class FrequencyFilter(keras.layers.Layer):
    """High-pass filter that removes the low spatial frequencies of a face.

    The grayscale image is transformed by a 2-D DCT-II of the whole image (Eq. 1), the triangle
    `i / H + j / W < alpha` in the corner of the low frequencies is set to 0 (Eq. 2), and the
    result is transformed back (Eq. 3). Both transforms are linear, so this layer subtracts
    the image of the triangle alone, which needs only the first `alpha * H` by `alpha * W`
    coefficients.

    It is computed and returned in float32 under every dtype policy: float16 is too coarse for the
    small differences that remain.

    Args:
        alpha: size of the triangle that is removed, in [0, 2]; 0 keeps everything, 2 removes
            everything. Defaults to `0.33`, the paper's.

    Call arguments:
        images: (B, H, W, 3) RGB in any range, or (B, H, W, 1) gray. H and W are static.

    Returns:
        float32 (B, H, W, 1) in the input's scale, with a mean of 0 for `alpha > 0`.

    Reference: Eq. (1)-(3), Sec. 3.1.
    """

    def __init__(self, alpha: float = 0.33, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        if not 0 <= alpha <= 2:
            raise ValueError(f"`alpha` must be in [0, 2]. Received: alpha={alpha}")
        self.alpha = float(alpha)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        _, height, width, channels = input_shape
        if height is None or width is None or channels not in (1, 3):
            raise ValueError(
                "Expected images of shape (B, H, W, 3) or (B, H, W, 1) with H and W known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={1: height, 2: width, 3: channels})
        low = np.arange(height)[:, None] / height + np.arange(width)[None, :] / width < self.alpha
        # Rows and columns beyond the triangle contribute nothing.
        rows, columns = int(low.any(axis=1).sum()), int(low.any(axis=0).sum())
        self._triangle = low[:rows, :columns].astype("float32")
        self._dct_rows = dct_matrix(height)[:rows]
        self._dct_columns = dct_matrix(width)[:columns]

    def call(self, images: Any) -> Any:
        images = ops.cast(images, "float32")
        _, height, width, channels = images.shape
        if channels == 3:
            images = ops.matmul(ops.reshape(images, (-1, 3)), np.array(LUMA, "float32")[:, None])
        gray = ops.reshape(images, (-1, height, width))
        if self._triangle.size:
            rows, columns = self._dct_rows, self._dct_columns
            # (h, H) (B, H, W) (W, w) -> (B, h, w)
            coefficients = times(ops.matmul(rows, gray), columns.T)
            coefficients = ops.multiply(coefficients, self._triangle)
            gray = gray - times(ops.matmul(rows.T, coefficients), columns)
        return ops.reshape(gray, (-1, height, width, 1))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], 1)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype="float32")

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one image."""
        _, height, width, channels = self.input.shape
        rows, columns = self._triangle.shape
        luma = 3 * height * width if channels == 3 else 0
        return luma + (rows + columns) * height * width + rows * columns * (height + width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}
