"""Co-occurrences of noise residuals as a convolutional network, which can be trained."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
from keras import ops

from lrl_keras.layers.co_occurrence import (
    BORDER,
    FACTOR,
    UNIT,
    check_images,
    check_step,
    thousandths,
)

_SIDE = 5
_WORDS = 81
# The residual, horizontal or vertical in turn, and the axis along which its words are read.
_BANKS = ("horizontal_rows", "vertical_columns", "horizontal_columns", "vertical_rows")


def _residual_kernel():
    """Make the filter (5, 5, 1, 1) of the third-order residual along rows."""
    kernel = np.zeros((_SIDE, _SIDE, 1, 1), "float32")
    kernel[2, 1:, 0, 0] = 1, -3, 3, -1
    return kernel


def _code_book():
    """Make the filters (5, 5, 1, 81) along rows and the biases (81,) of all words of 4 levels."""
    # The first level changes fastest.
    words = np.array([word[::-1] for word in itertools.product((-1, 0, 1), repeat=4)], "float32")
    kernel = np.zeros((_SIDE, _SIDE, 1, _WORDS), "float32")
    kernel[2, :4, 0] = words.T
    return kernel, -0.5 * np.sum(words**2, axis=1)


@keras.saving.register_keras_serializable("lrl_keras")
class SoftCoOccurrence(keras.layers.Layer):
    """Soft histograms of noise residuals, which start as those of `CoOccurrence`.

    With x the gray image (BT.601) in units of 3 q levels, for each residual and each axis

        r = W * x                                   one 5 x 5 filter: 1 -3 3 -1 along an axis
        s = V * r + b                               81 filters of 5 x 5 and biases
        h = mean over positions of softmax(slope s)

    The four taps of filter v along an axis start as a word of levels in {-1, 0, 1}, and b as
    -|v|²/2: the largest entry of s is the word nearest to four successive values of r, whose bin
    `CoOccurrence(truncation=1)` counts, and a large slope gives its histogram. All is trainable: 2
    filters W and 4 banks of V and b, 8,474 parameters.

    Computed and returned in float32 under every dtype policy. Until it is trained, r and s are
    whole multiples of a unit for whole pixels, and words that are equally near stay equal.

    Args:
        step: q of the quantiser that is imitated, in levels of 0..255. Defaults to `2.0`.
        slope: of the softmax, above 0. Defaults to `8.0`: the histograms of photographs are then
            nearly as far from even as those of `CoOccurrence`.

    Call arguments:
        images: (B, H, W, 3) RGB or (B, H, W, 1) gray, 0..255. H and W are static, at least 9.

    Returns:
        float32 (B, 162): the mean of h of H along rows and V along columns ('own direction'), and
        of H along columns and V along rows ('across'), each with the sum 1.

    Reference: Cozzolino, Poggi and Verdoliva, "Recasting Residual-Based Local Descriptors as
    Convolutional Neural Networks: An Application to Image Forgery Detection", IH&MMSec 2017. The
    filters and biases are those of public code of the authors; the softmax is known from
    descriptions of the paper, its slope is not, and 8 is our default.
    """

    def __init__(self, step: float = 2.0, slope: float = 8.0, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.step = check_step(step)
        if not 0 < slope < np.inf:
            raise ValueError(f"`slope` must be above 0. Received: slope={slope}")
        self.slope = float(slope)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.input_spec = check_images(input_shape)
        residual = _residual_kernel()
        kernel, bias = _code_book()

        def weight(name, value):
            return self.add_weight(
                name=name,
                shape=value.shape,
                initializer=keras.initializers.Constant(value),
                dtype="float32",
                autocast=False,
            )

        columns, columns_kernel = (each.transpose(1, 0, 2, 3) for each in (residual, kernel))
        self.residuals = [weight("horizontal", residual), weight("vertical", columns)]
        self.kernels, self.biases = [], []
        for name in _BANKS:
            taps = columns_kernel if name.endswith("columns") else kernel
            self.kernels.append(weight(f"{name}_kernel", taps))
            self.biases.append(weight(f"{name}_bias", bias))

    def histograms(self, images: Any) -> Any:
        """Compute h of each residual along each axis.

        Args:
            images: as in the call.

        Returns:
            float32 (B, 4, 81): H along rows, V along columns, H along columns, V along rows.
        """
        unit = FACTOR * self.step * UNIT
        gray = thousandths(images)[..., None]
        horizontal, vertical = (ops.conv(gray, kernel) for kernel in self.residuals)
        found = []
        for residual, kernel, bias in zip(
            (horizontal, vertical) * 2, self.kernels, self.biases, strict=True
        ):
            # The sum is divided by the unit, not gray: it is exact before.
            scores = (ops.conv(residual, kernel) + unit * bias) * (self.slope / unit)
            found.append(ops.mean(ops.softmax(scores, axis=-1), axis=(1, 2)))
        return ops.stack(found, axis=1)

    def call(self, images: Any) -> Any:
        found = self.histograms(images)
        sums = ops.concatenate([found[:, 0] + found[:, 1], found[:, 2] + found[:, 3]], axis=-1)
        return sums / 2

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], 2 * _WORDS)

    def compute_output_spec(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype="float32")

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one image."""
        _, height, width, channels = self.input.shape
        luma = 3 * height * width if channels == 3 else 0
        residuals = len(self.residuals) * _SIDE**2 * (height - 4) * (width - 4)
        banks = len(_BANKS) * _SIDE**2 * _WORDS * (height - BORDER) * (width - BORDER)
        return luma + residuals + banks

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "step": self.step, "slope": self.slope}
