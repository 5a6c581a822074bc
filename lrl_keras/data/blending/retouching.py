"""Small changes to a whole image: colour, light, sharpness, grain, resolution, compression."""

import io

import numpy as np
from PIL import Image, ImageFilter

from lrl_keras.data.blending.weights import resized

_BT601 = np.array([0.299, 0.587, 0.114], np.float32)
# Rows: luma and the two axes of colour of YIQ, where hue is an angle and saturation a length.
_TO_YIQ = np.array([_BT601, (0.596, -0.274, -0.322), (0.211, -0.523, 0.312)], np.float32)
_FROM_YIQ = np.linalg.inv(_TO_YIQ)
# Share of recoloured images with uneven light, the range of its strength in natural logarithms, and
# the knots a side at which it is drawn.
_SHADED, _SHADE, _KNOTS = 0.3, (0.05, 0.25), 4
_UPWARDS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


def retouch(image, rng):
    """Change the colours of an image, its texture, or both, each a little.

    A forged face differs from its surroundings in such statistics (Shiohara and Yamasaki 2022, Sec.
    3.2). The colours are changed by `recolour`; the texture becomes sharper, softer, grainier, of a
    lower resolution, or compressed as JPEG.

    Args:
        image: uint8 (H, W, 3), RGB.
        rng: `numpy.random.Generator`.

    Returns:
        uint8 (H, W, 3).
    """
    # Both are seldom changed at once: a softer texture is easy to see, and a detector that could
    # always rely on it would not learn to see colours.
    kind = rng.random()
    if kind < 0.85:
        image = recolour(image, rng)
    if kind > 0.5:
        image = _TEXTURES[rng.choice(len(_TEXTURES), p=_SHARES)](image, rng)
    return image


def recolour(image, rng):
    """Shift channels, hue, saturation, brightness and contrast of an image; light some unevenly.

    Args:
        image: uint8 (H, W, 3), RGB.
        rng: `numpy.random.Generator`.

    Returns:
        uint8 (H, W, 3).
    """
    strength = rng.uniform(0.8, 1.3)
    hue, saturation = strength * rng.uniform(-0.12, 0.12), rng.uniform(0.75, 1.3) ** strength
    turn = saturation * np.array([[np.cos(hue), -np.sin(hue)], [np.sin(hue), np.cos(hue)]])
    matrix = np.eye(3)
    matrix[1:, 1:] = turn
    contrast = rng.uniform(0.88, 1.12) ** strength
    matrix = contrast * (_FROM_YIQ @ matrix @ _TO_YIQ)
    shift = strength * (rng.uniform(-12, 12, 3) + rng.uniform(-15, 15))
    mean = image.mean(axis=(0, 1))
    offset = mean + shift - matrix @ mean
    changed = image @ matrix.T.astype(np.float32) + offset.astype(np.float32)
    if rng.random() < _SHADED:
        shade = rng.normal(0, rng.uniform(*_SHADE), (_KNOTS, _KNOTS))
        changed *= np.exp(resized(shade - shade.mean(), image.shape[:2]))[..., None]
    return _levels(changed)


def _sharpen(image, rng):
    mask = ImageFilter.UnsharpMask(rng.uniform(0.7, 1.5), int(rng.integers(60, 151)), 0)
    return np.asarray(Image.fromarray(image).filter(mask))


def _blur(image, rng):
    return np.asarray(
        Image.fromarray(image).filter(ImageFilter.GaussianBlur(rng.uniform(0.8, 2.2)))
    )


def _lower_resolution(image, rng):
    height, width = image.shape[:2]
    factor = np.exp(rng.uniform(np.log(1.5), np.log(4)))
    small = max(round(width / factor), 1), max(round(height / factor), 1)
    shrunk = Image.fromarray(image).resize(small, Image.Resampling.BILINEAR)
    return np.asarray(shrunk.resize((width, height), _UPWARDS[rng.integers(len(_UPWARDS))]))


def _add_grain(image, rng):
    # Grains have one pixel, as a sensor's, or two, as those of a generator's last step.
    height, width = image.shape[:2]
    cell = int(rng.integers(1, 3))
    grain = rng.standard_normal((-(-height // cell), -(-width // cell), 3), np.float32)
    grain = np.repeat(np.repeat(grain, cell, axis=0), cell, axis=1)[:height, :width]
    return _levels(image + np.float32(rng.uniform(1, 6)) * grain)


def _compress(image, rng):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(rng.integers(25, 91)))
    return np.asarray(Image.open(file))


def _levels(image):
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


_TEXTURES = (_lower_resolution, _sharpen, _blur, _add_grain, _compress)
_SHARES = (0.4, 0.15, 0.3, 0.1, 0.05)
