"""The part of a face crop that residual detectors look at, in its own resolution."""

from __future__ import annotations

import keras

from lrl_keras.models.checked import checked_integer


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


def checked_square(image_size: int, side: int, least: int = 16) -> tuple[int, int]:
    """Return the sides of the image and of its central square as ints.

    Raises:
        ValueError: one is below `least`, or the square does not fit into the image.
    """
    image_size = checked_integer("image_size", image_size, least, 4096)
    side = checked_integer("side", side, least, 4096)
    if side > image_size:
        raise ValueError(
            "`image_size` must be at least `side`, that of the central square which is looked at. "
            f"Received: image_size={image_size}, side={side}"
        )
    return image_size, side
