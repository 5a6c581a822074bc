"""Random views of a face, cut from a wider crop: position, scale, tilt and side."""

import dataclasses

import numpy as np
from PIL import Image

# Side of the crop that views are cut from, over that of the crop of the face itself.
ROOM = 1.3

_SHIFT = 0.06
_SCALE = (0.8, 1.12)
_TURNED = 0.5
_TURN = 8
_MIRRORED = (1, 0, 2, 4, 3)


@dataclasses.dataclass(frozen=True)
class Face:
    """Image of a real face with room around it.

    Attributes:
        image: uint8 (H, W, 3), RGB.
        landmarks: float (5, 2) in pixels of `image`, in the order of `lrl_keras.media.faces.Face`.
        box: (x0, y0, x1, y1) of the crop of the face itself, in pixels of `image`.
    """

    image: np.ndarray
    landmarks: np.ndarray
    box: tuple[float, float, float, float]


@dataclasses.dataclass(frozen=True)
class View:
    """Crop of a `Face`.

    Attributes:
        image: uint8 (S, S, 3), RGB.
        landmarks: float (5, 2) in pixels of `image`.
        box: (x0, y0, x1, y1) of the crop in the face's image, before it was turned or mirrored.
    """

    image: np.ndarray
    landmarks: np.ndarray
    box: tuple[float, float, float, float]


def centred(face, size):
    """Cut the crop of the face itself, a `View` with `size` pixels a side."""
    x0, y0, x1, _ = face.box
    return _cut(face, np.array([x0, y0]) + (x1 - x0) / 2, x1 - x0, 0.0, size)


def random_view(face, size, rng):
    """Cut a crop whose position, scale, tilt and side vary about those of the face's own crop.

    It never crosses the border of the image; where there is too little room it is shifted, or
    neither turned nor enlarged.

    Args:
        face: a `Face`.
        size: side of the result in pixels.
        rng: `numpy.random.Generator`.

    Returns:
        a `View`.
    """
    height, width = face.image.shape[:2]
    x0, y0, x1, _ = face.box
    side = (x1 - x0) * np.exp(rng.uniform(*np.log(_SCALE)))
    centre = np.array([x0, y0]) + (x1 - x0) * (0.5 + rng.uniform(-_SHIFT, _SHIFT, 2))
    angle = np.deg2rad(rng.uniform(-_TURN, _TURN)) if rng.random() < _TURNED else 0.0
    mirror = rng.random() < 0.5
    reach = side * (abs(np.sin(angle)) + abs(np.cos(angle)))
    if reach > min(height, width):
        angle, side = 0.0, min(side, height, width)
        reach = side
    centre = np.clip(centre, reach / 2, np.array([width, height]) - reach / 2)
    view = _cut(face, centre, side, angle, size)
    return mirrored(view) if mirror else view


def mirrored(view):
    """Mirror a view; its box stays the same."""
    landmarks = view.landmarks[list(_MIRRORED)] * [-1, 1] + [len(view.image), 0]
    return View(np.ascontiguousarray(view.image[:, ::-1]), landmarks, view.box)


def _cut(face, centre, side, angle, size):
    source = Image.fromarray(face.image)
    box = (*(centre - side / 2), *(centre + side / 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if angle:
        # The image is shrunk first, since a rotation does not average over what it leaves out.
        scale = min(size / side, 1)
        shrunk = source.resize([round(s * scale) for s in source.size], Image.Resampling.BILINEAR)
        scales = np.array(shrunk.size) / source.size
        matrix = scales[:, None] * turn * side / size
        offset = scales * centre - matrix @ np.full(2, size / 2)
        data = (*matrix[0], offset[0], *matrix[1], offset[1])
        cut = shrunk.transform((size, size), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
    else:
        limits = (max(box[0], 0), max(box[1], 0), *np.minimum(box[2:], source.size))
        cut = source.resize((size, size), Image.Resampling.BILINEAR, box=limits)
    landmarks = (face.landmarks - centre) @ turn * (size / side) + size / 2
    x0, y0, x1, y1 = map(float, box)
    return View(np.asarray(cut), landmarks, (x0, y0, x1, y1))
