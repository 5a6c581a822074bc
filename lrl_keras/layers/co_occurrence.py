"""Co-occurrences of noise residuals, the features of steganalysis."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from lrl_keras.layers.frequency_filter import LUMA

# Gray levels are counted in thousandths, of which the luma weights are whole numbers.
UNIT = 1000
# Pixels beside each residual and each word that 5 x 5 filters need.
BORDER = 8
# F of the residual: it is three times the difference of a pixel and its neighbours' prediction.
FACTOR = 3


def thousandths(images: Any) -> Any:
    """Compute the BT.601 gray of images (B, H, W, 3 or 1) in thousandths: float32 (B, H, W).

    Of whole pixels it is a whole number, exact in every order of the sum.
    """
    images = ops.cast(images, "float32")
    if images.shape[-1] == 1:
        return images[..., 0] * UNIT
    red, green, blue = (float(round(UNIT * weight)) for weight in LUMA)
    return images[..., 0] * red + images[..., 1] * green + images[..., 2] * blue


def check_images(shape: tuple[int | None, ...]) -> keras.layers.InputSpec:
    """Return the input spec of a shape (B, H, W, 3 or 1).

    Raises:
        ValueError: another shape, or less than 9 x 9 pixels.
    """
    sides = [side or 0 for side in shape[1:3]]
    if len(shape) != 4 or shape[3] not in (1, 3) or min(sides) <= BORDER:
        raise ValueError(
            "Expected images of shape (B, H, W, 3) or (B, H, W, 1) with H and W known and at "
            f"least {BORDER + 1}. Received: input_shape={tuple(shape)}"
        )
    return keras.layers.InputSpec(ndim=4, axes=dict(enumerate(shape[1:], 1)))


def check_step(step: float) -> float:
    """Return the step of a quantiser as a float; raise ValueError unless it is above 0."""
    if not 0 < step < np.inf:
        raise ValueError(f"`step` must be above 0. Received: step={step}")
    return float(step)


@keras.saving.register_keras_serializable("lrl_keras")
class CoOccurrence(keras.layers.Layer):
    """Histograms of four successive levels of the third-order residual, exact to the integer.

    With x the gray image (BT.601 of pixels that are rounded to whole numbers), the residual along
    rows (H), its levels, and the bin of the four levels from p on are

        r[p]     = x[p - 1] - 3 x[p] + 3 x[p + 1] - x[p + 2]
        level[p] = clip(round(r[p] / (3 q)), -T, T)                 halves away from zero
        bin[p]   = sum_k (level[p + k] + T) (2 T + 1)^k,            k = 0 .. 3

    and V is the same along columns. Each residual is read along rows and along columns, at the
    (H - 8) (W - 8) positions that 5 x 5 filters have in all cases. H read along rows and V along
    columns make one histogram ('own direction'), H along columns and V along rows the other
    ('across').

    Gray is computed in thousandths, in which all is a whole number below 2^24: the counts are the
    same on every processor, in every runtime and under every dtype policy. There is no gradient.

    Args:
        step: q of the quantiser, in levels of 0..255. Defaults to `2.0`.
        truncation: T, 1 to 4. Defaults to `1`, with 81 bins.

    Call arguments:
        images: (B, H, W, 3) RGB or (B, H, W, 1) gray, 0..255. H and W are static, at least 9.

    Returns:
        float32 (B, 2 (2 T + 1)^4): both histograms, each divided by its sum.

    Reference: Fridrich and Kodovsky, "Rich Models for Steganalysis of Digital Images", IEEE TIFS
    2012, submodels spam14h and spam14v without their symmetries; residual, bins and border as in
    public code of Cozzolino, Poggi and Verdoliva.
    """

    def __init__(self, step: float = 2.0, truncation: int = 1, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.step = check_step(step)
        # Beyond, the sums of levels and bins would make maps of hundreds of channels.
        if int(truncation) != truncation or not 1 <= truncation <= 4:
            raise ValueError(
                f"`truncation` must be an integer from 1 to 4. Received: truncation={truncation}"
            )
        self.truncation = int(truncation)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.input_spec = check_images(input_shape)

    def counts(self, images: Any) -> Any:
        """Count the bins of each residual along each axis.

        Args:
            images: as in the call.

        Returns:
            float32 (B, 4, (2 T + 1)^4) of whole numbers: H along rows, V along columns, H along
            columns, V along rows.
        """
        # Halves would be rounded to even by `round`.
        gray = thousandths(ops.floor(ops.cast(images, "float32") + 0.5))
        horizontal = self._digits(gray)
        vertical = self._digits(_turned(gray))  # Columns are rows here.
        return ops.stack(
            [
                self._along_rows(horizontal),
                self._along_rows(vertical),
                self._along_rows(_turned(horizontal)),
                self._along_rows(_turned(vertical)),
            ],
            axis=1,
        )

    def _digits(self, gray):
        """Compute level + T along rows, where a 5 x 5 filter fits: (B, H, W) -> (B, H-4, W-4)."""
        gray = gray[:, 2:-2]
        # Not as a convolution, which a GPU may compute with too few digits.
        residual = gray[..., 1:-3] - gray[..., 4:] + FACTOR * (gray[..., 3:-1] - gray[..., 2:-2])
        digits = ops.full_like(residual, self.truncation)
        for level in range(1, self.truncation + 1):
            least = (level - 0.5) * FACTOR * self.step * UNIT
            digits += ops.cast(residual >= least, "float32")
            digits -= ops.cast(residual <= -least, "float32")
        return digits

    def _along_rows(self, digits):
        """Count the words of four successive digits: (B, H, W) -> (B, (2 T + 1)^4)."""
        _, height, width = digits.shape
        rows, columns = height - 4, width - 4
        base = 2 * self.truncation + 1
        digits = digits[:, 2:-2]
        pairs = digits[..., :-1] + base * digits[..., 1:]
        # A word is two pairs, and its indicator the product of theirs: summed over all positions,
        # that is a product of matrices, and no map of all bins is ever made.
        pairs = pairs[..., None] == np.arange(base**2, dtype="float32")
        pairs = ops.cast(pairs, "float32")
        low = ops.reshape(pairs[:, :, :columns], (-1, rows * columns, base**2))
        high = ops.reshape(pairs[:, :, 2 : columns + 2], (-1, rows * columns, base**2))
        return ops.reshape(ops.matmul(ops.transpose(high, (0, 2, 1)), low), (-1, base**4))

    def call(self, images: Any) -> Any:
        _, height, width, _ = images.shape
        counts = self.counts(images)
        sums = ops.concatenate([counts[:, 0] + counts[:, 1], counts[:, 2] + counts[:, 3]], axis=-1)
        return sums / (2 * (height - BORDER) * (width - BORDER))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 2 * (2 * self.truncation + 1) ** 4)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype="float32")

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one image."""
        _, height, width, channels = self.input.shape
        luma = 3 * height * width if channels == 3 else 0
        words = (2 * self.truncation + 1) ** 4
        # Two residuals, each read along rows and along columns.
        return luma + 4 * (height - BORDER) * (width - BORDER) * words

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "step": self.step, "truncation": self.truncation}


def _turned(maps):
    return ops.transpose(maps, (0, 2, 1))
