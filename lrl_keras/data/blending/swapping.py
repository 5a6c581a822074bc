"""Swapping: the face of one person in the image of another."""

import numpy as np
from scipy import interpolate, ndimage

from lrl_keras.data.blending.meshes import grid, warp
from lrl_keras.data.blending.region import face_axes, outline, random_region
from lrl_keras.data.blending.retouching import recolour
from lrl_keras.data.blending.weights import blend, resized, soften

# The share of the forehead is small because the donor's hair comes with it.
_KINDS = {"face": 0.55, "inner": 0.35, "forehead": 0.1}
# Share of the swaps whose colours are not those of the target.
_RECOLOURED = 0.3
# Share of the swaps that are misaligned, as by a face model that fits badly; standard deviations of
# the shift of the whole face and of each landmark, over the distance from eyes to mouth.
_MISFIT, _ALL_OFF, _EACH_OFF = 0.5, 0.05, 0.08
# Widths over which light is matched, over the distance from eyes to mouth. Narrow ones print the
# target's own features on the donor.
_LIGHT = (0.06, 1.2)
# Share of the swaps that are made as sharp and as grainy as their target, without which a detector
# need not look at anything else; standard deviations, in pixels, of the blurs that part the bands.
_AS_SHARP, _BANDS = 0.7, (1, 3)
_STRETCH = (1.2, 1.05, 1.05)
_SMOOTHING = 0.02
_CELL = 16
_DARK = 1
_TO_YCBCR = np.array(
    [(0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)], np.float32
)
_FROM_YCBCR = np.linalg.inv(_TO_YCBCR).astype(np.float32)
# Widths of the bends at 0 and at 255, with which swapped portraits had as many pixels at these ends
# as real ones.
_LOW_BEND, _HIGH_BEND = 16, 10


def swap(target, landmarks, donor, donor_landmarks, rng):
    """Put the donor's face in the place of the target's, with the target's light.

    Seven of ten keep the target's colours, as many are made as sharp as the target, and one of two
    is misaligned.

    Args:
        target: uint8 (H, W, 3), RGB, the crop of a real face.
        landmarks: five points (x, y) of its face in pixels, in the order of
            `lrl_keras.media.faces.Face`.
        donor: uint8 (H', W', 3), RGB, the crop of another person's face at about the same scale.
        donor_landmarks: those of the donor's face.
        rng: `numpy.random.Generator`.

    Returns:
        the forgery, uint8 (H, W, 3), and the donor's weight at each pixel, float32 (H, W) in
        [0, 1]: the forgery is equal to the target where it is 0. It is 0 everywhere where the two
        poses differ so much that the donor's face would fold over itself.

    Raises:
        InputError: the landmarks of either span no face.
    """
    axes, donor_axes = face_axes(landmarks), face_axes(donor_landmarks)
    shape = target.shape[:2]
    region = random_region(axes, shape, rng, _KINDS)
    softness = axes.size * np.exp(rng.uniform(np.log(0.015), np.log(0.5)))
    reach = axes.size * np.exp(rng.uniform(*np.log(_LIGHT)))
    weight = np.zeros(shape, np.float32)
    forged = target.copy()
    if not region.any():
        return forged, weight
    box = _bounds(region)
    controls = _controls(donor_landmarks, donor_axes)
    if rng.random() < _MISFIT:
        controls = controls + donor_axes.size * rng.normal(0, _ALL_OFF, 2)
        controls[:5] += donor_axes.size * rng.normal(0, _EACH_OFF, (5, 2))
    places = _places(_controls(landmarks, axes), controls, box)
    if _folds(places):
        return forged, weight
    rows, columns = box
    weight[box] = soften(
        region[box] * _inside(places, donor.shape[:2], region[box].shape), softness
    )
    if not weight.any():
        return forged, weight
    source = warp(donor, places, (columns.start, rows.start, columns.stop, rows.stop))
    source = match_colours(source, target[box], weight[box])
    source = match_light(source, target[box], weight[box], reach)
    if rng.random() < _AS_SHARP:
        source = match_sharpness(source, target[box], weight[box])
    source = np.rint(_in_range(source)).astype(np.uint8)
    if rng.random() < _RECOLOURED:
        source = recolour(source, rng)
    forged[box] = blend(target[box], source, weight[box])
    return forged, weight


def match_colours(source, target, weight):
    """Give the source the target's mean and spread of luma and both chromas, under the weight.

    After Reinhard et al. 2001 (Color transfer between images), but in YCbCr: it is linear, so that
    dark and strong colours are converted back without loss.

    Args:
        source: uint8 (H, W, 3).
        target: uint8 (H, W, 3).
        weight: float32 (H, W) in [0, 1], somewhere above 0.

    Returns:
        float32 (H, W, 3), where some values may lie outside of 0..255.
    """
    ours, theirs = (image.astype(np.float32) @ _TO_YCBCR.T for image in (source, target))
    mean, deviation = _statistics(ours, weight)
    wanted_mean, wanted_deviation = _statistics(theirs, weight)
    gain = np.clip(wanted_deviation / np.maximum(deviation, 1e-2), 0.6, 1.6)
    return (wanted_mean + gain * (ours - mean)) @ _FROM_YCBCR.T


def match_light(source, target, weight, reach):
    """Give the source the target's light and shade: the means over wide neighbourhoods.

    It multiplies, as light does: black stays black.

    Args:
        source: float32 (H, W, 3) in 0..255.
        target: uint8 (H, W, 3).
        weight: float32 (H, W) in [0, 1]; pixels at 0 do not count.
        reach: standard deviation of a neighbourhood in pixels.

    Returns:
        float32 (H, W, 3).
    """
    weighed = weight[..., None] * np.dstack([source, target.astype(np.float32)])
    # Means over wide neighbourhoods need few pixels.
    height, width = weight.shape
    step = max(reach / 4, 1)
    small = max(round(height / step), 1), max(round(width / step), 1)
    means = _resized(weighed, small)
    means = ndimage.gaussian_filter(means, (reach / step, reach / step, 0), mode="constant")
    gain = (means[..., 3:] + _DARK) / (means[..., :3] + _DARK)
    return source * _resized(np.clip(gain, 0.5, 2), (height, width))


def match_sharpness(source, target, weight):
    """Give the source the target's strength of fine and finest detail, under the weight.

    Args:
        source: float32 (H, W, 3) in 0..255.
        target: uint8 (H, W, 3).
        weight: float32 (H, W) in [0, 1], somewhere above 0.

    Returns:
        float32 (H, W, 3), where some values may lie outside of 0..255.
    """
    share = weight / weight.sum()
    rest, theirs = source, target.astype(np.float32) @ _TO_YCBCR[0]
    matched = 0
    for deviation in _BANDS:
        blurred = ndimage.gaussian_filter(rest, (deviation, deviation, 0))
        their_blurred = ndimage.gaussian_filter(theirs, deviation)
        band = rest - blurred
        strength, wanted = (
            np.sqrt((share * luma**2).sum())
            for luma in (band @ _TO_YCBCR[0], theirs - their_blurred)
        )
        matched = matched + np.clip(wanted / max(strength, 1e-2), 0.2, 3) * band
        rest, theirs = blurred, their_blurred
    return matched + rest


def _in_range(image):
    """Bend an image into 0..255; clipping would give more black and white than photographs have."""
    low = _bent(image, _LOW_BEND)
    high = 255 - _bent(255 - image, _HIGH_BEND)
    return np.where(image < 127.5, low, high)


def _bent(levels, width):
    """Bend the levels below `width` so that all are above 0."""
    return np.where(levels < width, width * np.exp(np.minimum(levels, width) / width - 1), levels)


def _resized(image, shape):
    return np.stack([resized(channel, shape) for channel in np.moveaxis(image, -1, 0)], axis=-1)


def _statistics(image, weight):
    share = (weight / weight.sum())[..., None]
    mean = (share * image).sum(axis=(0, 1))
    return mean, np.sqrt((share * (image - mean) ** 2).sum(axis=(0, 1)))


def _bounds(region):
    """Return the smallest box, two slices, that holds all of a region."""
    rows, columns = (np.flatnonzero(region.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _controls(landmarks, axes):
    """Return the points of a face that are laid on those of another."""
    return np.concatenate([np.asarray(landmarks, float), outline(axes, "face", _STRETCH)])


def _places(points, donor_points, box):
    """Map the cells of a box of the target to the donor's image, as `warp` takes it.

    The map is a thin-plate spline that need not meet the points: landmarks are not exact. It is
    smooth, so that a coarse grid is enough.
    """
    rows, columns = box
    cells = [max(-(-(side.stop - side.start) // _CELL), 1) for side in box]
    corners = grid((columns.start, rows.start, columns.stop, rows.stop), cells)
    centre, scale = points.mean(axis=0), points.std()
    spline = interpolate.RBFInterpolator(
        (points - centre) / scale,
        donor_points,
        smoothing=_SMOOTHING,
        kernel="thin_plate_spline",
    )
    return spline((corners.reshape(-1, 2) - centre) / scale).reshape(corners.shape)


def _folds(places):
    """Return whether the grid turns a cell over."""
    along, down = np.diff(places, axis=1)[:-1], np.diff(places, axis=0)[:, :-1]
    return bool((along[..., 0] * down[..., 1] <= along[..., 1] * down[..., 0]).any())


def _inside(places, shape, size):
    """Mark the pixels that the donor's image holds: float32 of `size`, 0 and 1."""
    height, width = shape
    inside = np.logical_and(places >= 0, places <= [width - 1, height - 1]).all(axis=-1)
    return (resized(inside.astype(np.float32), size) > 0.99).astype(np.float32)
