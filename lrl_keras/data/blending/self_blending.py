"""Self-blending: a face blended with an altered copy of itself."""

import numpy as np

from lrl_keras.data.blending.meshes import grid, warp
from lrl_keras.data.blending.region import face_axes, random_region
from lrl_keras.data.blending.retouching import retouch
from lrl_keras.data.blending.weights import blend, resized, soften

_RATIOS = (0.75, 1, 1, 1)
# Share of the copies that are not retouched, and the factor by which these are moved farther. The
# share is small because most of them look like photographs.
_MOVED_ALONE, _FARTHER = 0.1, 2.2
# Share of the retouched copies whose eyes, nose and mouth are moved and stretched separately, as by
# re-enactment, and the places of these features in the plane of the face.
_REENACTED = 0.4
_FEATURES = np.array([(-0.5, -0.05), (0.5, -0.05), (0, 0.6), (0, 1)])
_CELLS, _FINE_CELLS = (8, 8), (24, 24)
_KNOTS = 5


def self_blend(image, landmarks, rng, target=None):
    """Blend a face with a copy of itself that is retouched or not, slightly moved and bent.

    Eyes, nose and mouth of some copies are moved and stretched too, as by re-enactment.

    Args:
        image: uint8 (H, W, 3), RGB, the crop of a real face.
        landmarks: five points (x, y) of the face in pixels of `image`, in the order of
            `lrl_keras.media.faces.Face`.
        rng: `numpy.random.Generator`.
        target: uint8 (H, W, 3), `image` retouched, which a copy that is not retouched is blended
            into. Defaults to `image` itself; then nine of ten copies are retouched.

    Returns:
        the forgery, uint8 (H, W, 3), and the copy's weight at each pixel, float32 (H, W) in
        [0, 1]: the forgery is equal to the target where the weight is 0. One of four copies is
        blended in at 0.75 times this weight.

    Raises:
        InputError: the landmarks span no face.

    Reference:
        Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022.
    """
    axes = face_axes(landmarks)
    moved_alone = rng.random() < _MOVED_ALONE
    source = retouch(image, rng) if target is None and not moved_alone else image
    if target is None:
        target = image
    region = random_region(axes, image.shape[:2], rng)
    reenacted = not moved_alone and rng.random() < _REENACTED
    reach = _FARTHER if moved_alone else 1
    height, width = image.shape[:2]
    places = grid((0, 0, width, height), _FINE_CELLS if reenacted else _CELLS)
    if reenacted:
        places = _with_features_moved(places, axes, rng)
    source = warp(source, _moved(places, axes, rng, reach))
    # The narrowest seam has half a pixel, as where a rendered face is laid over the frame.
    softness = axes.size * np.exp(rng.uniform(np.log(0.01), np.log(0.2)))
    weight = soften(region, softness)
    ratio = _RATIOS[rng.integers(len(_RATIOS))]
    return blend(target, source, ratio * weight), weight


def _moved(places, axes, rng, reach):
    """Scale places about the face, turn, shift and bend them."""
    angle = reach * np.deg2rad(rng.uniform(-2, 2))
    scale = np.exp(reach * rng.uniform(-0.04, 0.04))
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = reach * axes.size * rng.uniform((-0.06, -0.05), (0.06, 0.05))
    centre = axes.pixels(np.array([[0, 0.5]]))[0]
    strength = reach * rng.uniform(0, 0.04) * axes.size
    bends = rng.normal(0, strength, (2, _KNOTS, _KNOTS))
    bends = np.stack([resized(bend, places.shape[:2]) for bend in bends], axis=-1)
    return (places - centre) @ turn.T + centre + shift + bends


def _with_features_moved(places, axes, rng):
    """Shift and stretch the places about some of the face's features, smoothly."""
    moved = places.copy()
    for feature in axes.pixels(_FEATURES)[rng.random(len(_FEATURES)) < 0.6]:
        reach = axes.size * rng.uniform(0.2, 0.4)
        away = places - feature
        near = np.exp(-(away**2).sum(axis=-1, keepdims=True) / (2 * reach**2))
        stretch = np.expm1(rng.normal(0, 0.25, 2))
        shift = np.clip(rng.normal(0, 0.25, 2), -0.5, 0.5) * reach
        moved += near * (stretch * away + shift)
    return moved
