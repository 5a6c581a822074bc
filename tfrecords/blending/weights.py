"""How much of the forgery each pixel takes: a face region, deformed and with soft borders."""

import numpy as np
from PIL import Image
from scipy import ndimage

# Below it, rounding to 8 bits leaves the pixel as it was in nearly every case.
_NOTHING = 1 / 255


def deform(region, size, rng):
    """Bend a region elastically.

    Args:
        region: float32 (H, W) in [0, 1].
        size: of the face in pixels, as `FaceAxes.size`.
        rng: `numpy.random.Generator`.

    Returns:
        float32 (H, W) in [0, 1].
    """
    height, width = region.shape
    cell = size * rng.uniform(0.4, 0.9)
    reach = cell * rng.uniform(0.03, 0.08)
    grid = (2, *(max(round(side / cell), 1) + 3 for side in (height, width)))
    bends = rng.normal(0, reach, grid).astype(np.float32)
    bends = [
        np.asarray(Image.fromarray(bend).resize((width, height), Image.Resampling.BICUBIC))
        for bend in bends
    ]
    places = np.mgrid[:height, :width] + np.stack(bends)
    return ndimage.map_coordinates(region, places, order=1, mode="constant")


def soften(region, softness):
    """Give a region a border that falls smoothly to 0 at its edge, and is 0 outside of it.

    Args:
        region: float32 (H, W) in [0, 1].
        softness: standard deviation of the blur in pixels.

    Returns:
        float32 (H, W) in [0, 1].
    """
    softness = min(softness, max(region.shape))
    # What lies outside of the picture is real, so that the weight falls there too.
    blurred = ndimage.gaussian_filter(region, softness, mode="constant", truncate=3)
    inside = np.clip(2 * blurred - 1, 0, 1)
    weight = inside * inside * (3 - 2 * inside)
    weight[weight < _NOTHING] = 0
    return weight


def blend(target, source, weight):
    """Lay the source over the target.

    Args:
        target: uint8 (H, W, 3).
        source: float32 (H, W, 3) in 0..255.
        weight: float32 (H, W) in [0, 1], the source's share.

    Returns:
        uint8 (H, W, 3), equal to the target where the weight is 0.
    """
    target = target.astype(np.float32)
    blended = target + weight[..., None] * (source - target)
    return np.clip(np.rint(blended), 0, 255).astype(np.uint8)
