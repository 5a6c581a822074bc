"""Small changes to a whole picture: colour, light, sharpness."""

import numpy as np
from PIL import Image
from scipy import ndimage

_BT601 = np.array([0.299, 0.587, 0.114], np.float32)
# Rows: luma and two axes of colour (YIQ); hue is an angle and saturation a length in the latter.
_TO_YIQ = np.array([_BT601, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], np.float32)


def retouch(image, rng):
    """Change the colours and the sharpness of a picture, each a little.

    The statistics that a forged face and its surroundings differ in (Shiohara and Yamasaki 2022,
    Sec. 3.2): shifts of the channels, hue, saturation, brightness and contrast, then either
    sharper or through a lower resolution.

    Args:
        image: uint8 (H, W, 3), RGB.
        rng: `numpy.random.Generator`.

    Returns:
        uint8 (H, W, 3).
    """
    image = _recolour(image.astype(np.float32), rng)
    image = _sharpen(image, rng) if rng.random() < 0.5 else _lower_resolution(image, rng)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _recolour(image, rng):
    hue, saturation = rng.uniform(-0.12, 0.12), rng.uniform(0.75, 1.3)
    turn = saturation * np.array([[np.cos(hue), -np.sin(hue)], [np.sin(hue), np.cos(hue)]])
    matrix = np.eye(3)
    matrix[1:, 1:] = turn
    matrix = np.linalg.inv(_TO_YIQ) @ matrix @ _TO_YIQ
    contrast = rng.uniform(0.88, 1.12)
    shift = rng.uniform(-12, 12, 3) + rng.uniform(-15, 15)
    mean = image.mean(axis=(0, 1))
    offset = mean + shift - contrast * (matrix @ mean)
    return image @ (contrast * matrix).T.astype(np.float32) + offset.astype(np.float32)


def _sharpen(image, rng):
    # Not `skimage.filters.unsharp_mask`: in scikit-image 0.26 it leaves memory uninitialised
    # with `channel_axis=-1`.
    deviation = rng.uniform(0.7, 1.5)
    blurred = ndimage.gaussian_filter(image, (deviation, deviation, 0), truncate=3)
    return image + rng.uniform(0.4, 1.2) * (image - blurred)


def _lower_resolution(image, rng):
    height, width = image.shape[:2]
    factor = rng.uniform(1.2, 2.3)
    small = max(round(width / factor), 1), max(round(height / factor), 1)
    picture = Image.fromarray(np.clip(np.rint(image), 0, 255).astype(np.uint8))
    picture = picture.resize(small, Image.Resampling.BILINEAR)
    ways = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
    return np.asarray(picture.resize((width, height), ways[rng.integers(2)]), np.float32)
