"""Weights of the blending at each pixel: regions with soft borders."""

import numpy as np
from PIL import Image
from scipy import ndimage

# Below this weight, rounding to 8 bits leaves nearly every pixel unchanged.
_NOTHING = 1 / 255
# Standard deviation, in pixels, at which a blur is computed; a wider one works on a shrunk image.
_ENOUGH = 3


def soften(region, softness):
    """Give a region a border that falls smoothly to 0 at its edge, and is 0 outside of it.

    Args:
        region: float32 (H, W) in [0, 1].
        softness: standard deviation of the blur in pixels, which a small region bounds.

    Returns:
        float32 (H, W) in [0, 1].
    """
    softness = min(softness, 0.2 * float(np.sqrt(region.sum())))
    if softness <= 0:
        return np.zeros_like(region)
    # Outside of the image all is real, so that the weight falls towards its border too.
    step = max(softness / _ENOUGH, 1)
    small = [max(round(side / step), 1) for side in region.shape]
    blurred = ndimage.gaussian_filter(
        resized(region, small), softness / step, mode="constant", truncate=3
    )
    inside = np.clip(2 * resized(blurred, region.shape) - 1, 0, 1) * (region > 0)
    weight = inside * inside * (3 - 2 * inside)
    weight[weight < _NOTHING] = 0
    return weight


def blend(target, source, weight):
    """Lay the source over the target.

    Args:
        target: uint8 (H, W, 3).
        source: uint8 or float32 (H, W, 3) in 0..255.
        weight: float32 (H, W) in [0, 1], the source's share.

    Returns:
        uint8 (H, W, 3), equal to the target where the weight is 0.
    """
    target = target.astype(np.float32)
    blended = target + weight[..., None] * (source - target)
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)


def resized(channel, shape):
    """Resize an array (H, W) to float32 of `shape`, bilinear, averaging where it shrinks."""
    height, width = shape
    image = Image.fromarray(channel.astype(np.float32, copy=False))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
