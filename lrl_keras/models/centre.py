"""The part of a face crop that residual detectors look at, in its own resolution."""

from __future__ import annotations

import keras


def central_square(images: keras.KerasTensor, side: int) -> keras.KerasTensor:
    """Cut the central `side` x `side` pixels out of square images; nothing is resampled.

    Args:
        images: symbolic tensor (B, S, S, C).
        side: at most S.

    Returns:
        symbolic tensor (B, side, side, C), float32.
    """
    before, odd = divmod(images.shape[1] - side, 2)
    margin = (before, before + odd)
    # In float32 under every dtype policy: residuals are small differences of pixels.
    return keras.layers.Cropping2D((margin, margin), dtype="float32", name="centre")(images)
