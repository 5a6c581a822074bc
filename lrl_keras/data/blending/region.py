"""Plane, pose and regions of a face, from five landmarks."""

import dataclasses

import numpy as np
from PIL import Image, ImageDraw

from lrl_keras.errors import InputError

# (height, half the width) of each region, from its upper to its lower end. Heights are 0 at the
# eyes and 1 at the mouth, widths are in distances between the eyes; chosen by eye on portraits.
_OUTLINES = {
    "forehead": (
        (-1.0, 0.35), (-0.85, 0.7), (-0.5, 0.98), (0, 1.05), (0.5, 1.02), (1, 0.86), (1.3, 0.62),
        (1.5, 0.36), (1.6, 0.12),
    ),
    "face": (
        (-0.5, 0.45), (-0.46, 0.75), (-0.3, 0.98), (0, 1.05), (0.5, 1.02), (1, 0.86), (1.3, 0.62),
        (1.5, 0.36), (1.6, 0.12),
    ),
    "inner": (
        (-0.46, 0.4), (-0.4, 0.7), (-0.2, 0.88), (0.1, 0.9), (0.5, 0.86), (1, 0.8), (1.25, 0.6),
        (1.42, 0.25),
    ),
    "lower": ((0.42, 0.5), (0.5, 0.9), (1, 0.84), (1.3, 0.6), (1.5, 0.34), (1.6, 0.12)),
    "mouth": ((0.66, 0.3), (0.72, 0.55), (0.95, 0.68), (1.2, 0.55), (1.34, 0.25)),
}  # fmt: skip
# Shares in which regions are drawn: mostly the whole face, which swaps and re-enactments change.
KINDS = {"face": 0.4, "forehead": 0.1, "inner": 0.2, "lower": 0.2, "mouth": 0.1}

# Shift of the cheeks against the nose when the head turns, over the shift of the nose itself.
_TURN = 1.7
_MAX_NOSE = 0.2
_MIN_FLATNESS = 0.15


@dataclasses.dataclass(frozen=True)
class FaceAxes:
    """Plane of a face in an image.

    Attributes:
        origin: (x, y) in the middle between the eyes, in pixels.
        right: from the left to the right eye, in pixels.
        down: from the origin to the middle of the mouth, in pixels.
        nose: position of the nose along `right`, 0 in a frontal view.
    """

    origin: np.ndarray
    right: np.ndarray
    down: np.ndarray
    nose: float

    @property
    def size(self):
        """Distance from eyes to mouth in pixels, which stays the same when the head turns."""
        return float(np.hypot(*self.down))

    def pixels(self, points):
        """Convert (N, 2) points of the face's plane to pixels of the image."""
        return self.origin + points @ np.stack([self.right, self.down])


def face_axes(landmarks):
    """Compute the plane of a face.

    Args:
        landmarks: five points (x, y), in the order of `lrl_keras.media.faces.Face`.

    Returns:
        a `FaceAxes`.

    Raises:
        InputError: the points span no face (one seen from the side, for example) or are no numbers.
    """
    points = np.asarray(landmarks, float)
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise InputError(f"expected five landmarks (x, y). Received: {landmarks}")
    origin = points[:2].mean(axis=0)
    right, down = points[1] - points[0], points[3:].mean(axis=0) - origin
    area = right[0] * down[1] - right[1] * down[0]
    if not area > max(_MIN_FLATNESS * np.dot(down, down), 1):
        raise InputError("the landmarks span no face; it is seen from the side or too small")
    nose = np.linalg.solve(np.stack([right, down], axis=1), points[2] - origin)[0]
    return FaceAxes(origin, right, down, float(nose))


def pose_distance(landmarks, other):
    """Measure the difference of two poses, 0 for the same one.

    Tilt has a low weight: a swap turns the face back without loss.

    Args:
        landmarks, other: five points (x, y) each; both must span a face.

    Returns:
        float: weighted sum of the differences of the nose's position, of the face's proportions and
        of its tilt in radians.
    """
    poses = np.array([_pose(face_axes(points)) for points in (landmarks, other)])
    return float(np.abs(poses[0] - poses[1]) @ [3, 1, 0.5])


def outline(axes, kind="face", stretch=(1, 1, 1)):
    """Compute the outline of a region of a face.

    Args:
        axes: a `FaceAxes`.
        kind: `"face"` (brows to chin), `"forehead"` (that and most of the forehead), `"inner"`
            (brows to below the lips, without the edges of the cheeks), `"lower"` (nose to chin)
            or `"mouth"`.
        stretch: factors of the height above the eyes, the height below them, and the width.

    Returns:
        float array (N, 2) of (x, y) in pixels, which may lie outside of the image.
    """
    above, below, width = stretch
    heights, halves = np.array(_OUTLINES[kind]).T
    heights = np.where(heights < 0, above, below) * heights
    halves = width * halves
    points = np.concatenate(
        [np.stack([halves, heights], axis=1), np.stack([-halves, heights], axis=1)[::-1]]
    )
    # When the head is turned, the near cheek looks wider and the far one narrower.
    points[:, 0] -= _TURN * np.clip(axes.nose, -_MAX_NOSE, _MAX_NOSE) * points[:, 0] ** 2
    return axes.pixels(points)


def fill(points, shape):
    """Fill a polygon.

    Args:
        points: float array (N, 2) of (x, y) in pixels.
        shape: (H, W) of the result.

    Returns:
        float32 array (H, W) of 0 and 1.
    """
    height, width = shape
    region = Image.new("L", (width, height))
    ImageDraw.Draw(region).polygon(points.ravel().tolist(), fill=1)
    return np.asarray(region, np.float32)


def _pose(axes):
    tilt = np.arctan2(axes.right[1], axes.right[0])
    return axes.nose, np.hypot(*axes.right) / axes.size, tilt


def random_region(axes, shape, rng, kinds=KINDS):
    """Draw a region of a face, of a random kind, bent and somewhat larger or smaller.

    Args:
        axes: a `FaceAxes`.
        shape: (H, W) of the result.
        rng: `numpy.random.Generator`.
        kinds: shares of the kinds to draw from, of `KINDS`.

    Returns:
        float32 array (H, W) of 0 and 1.
    """
    names, shares = list(kinds), np.array(list(kinds.values()))
    kind = names[rng.choice(len(names), p=shares / shares.sum())]
    points = outline(axes, kind, rng.uniform(0.92, 1.1, 3))
    return fill(_bent(points, axes.size, rng), shape)


def _bent(points, size, rng):
    """Bend the sides of a polygon by a few random waves."""
    nodes = np.linspace(0, 1, 8, endpoint=False)[:, None, None]
    dense = points + nodes * (np.roll(points, -1, axis=0) - points)
    dense = np.moveaxis(dense, 0, 1).reshape(-1, 2)
    reach = size * rng.uniform(0.01, 0.05)
    for _ in range(3):
        wave = rng.normal(0, 2 / size, 2)
        phase, push = rng.uniform(0, 2 * np.pi), rng.normal(0, reach, 2)
        dense = dense + np.sin(dense @ wave + phase)[:, None] * push
    return dense
