"""Face detection by MTCNN, and the crops that the network takes."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image

from lrl_keras.media.images import resize

_BATCH = 8
_CELL = 12
_STRIDE = 2
_PYRAMID_STEP = 0.709
_MAX_PROPOSALS = 1000


@dataclasses.dataclass(frozen=True)
class Face:
    """Detected face.

    Attributes:
        box: (x0, y0, x1, y1) in pixels of the image, x1 and y1 exclusive, inside the image.
        score: the face detector's confidence, 0 to 1.
        landmarks: five points (x, y) in pixels of the image, rounded to a tenth: the eyes, the
            nose, the corners of the mouth; of eyes and corners the one further left in the image
            comes first. They may lie outside of the image where the face is cut off. `None` for a
            box that no face detector gave.
    """

    box: tuple[int, int, int, int]
    score: float
    landmarks: tuple[tuple[float, float], ...] | None = None

    @property
    def area(self) -> int:
        """Area of the box in pixels."""
        x0, y0, x1, y1 = self.box
        return (x1 - x0) * (y1 - y0)


@dataclasses.dataclass(frozen=True)
class FaceDetector:
    """Face detector: MTCNN (Zhang et al. 2016) with the weights of the `mtcnn` package.

    The networks are run here one after the other. The package's own `detect_faces` loses all faces
    of a batch when one stage finds none, shifts the boxes of a batch of unequal sizes when an image
    has no face, and finds nothing when only larger faces are asked for.

    Args:
        min_size: side of the smallest face that is searched for, in pixels of the image after
            it has been bounded by `max_side`. Defaults to 32; 20 takes about twice the time.
        max_side: longer side, in pixels, that a larger image is shrunk to. Defaults to 640.
        min_score: confidence below which a face is left out, 0 to 1. Defaults to 0.85.
    """

    min_size: int = 32
    max_side: int = 640
    min_score: float = 0.85

    def __post_init__(self) -> None:
        if not _CELL <= self.min_size <= self.max_side:
            raise ValueError(
                f"min_size must be from {_CELL} to max_side = {self.max_side}. "
                f"Received: {self.min_size}"
            )

    def __call__(self, images: Sequence[np.ndarray]) -> list[list[Face]]:
        """Find the faces of a batch of images, which may differ in size.

        Args:
            images: list of uint8 arrays (H, W, 3), RGB.

        Returns:
            list of lists of `Face`, one an image, the largest face first.
        """
        small = [_bound(image, self.max_side) for image in images]
        by_size = {}
        for position, image in enumerate(small):
            by_size.setdefault(image.size, []).append(position)
        batches = [
            positions[start : start + _BATCH]
            for positions in by_size.values()
            for start in range(0, len(positions), _BATCH)
        ]
        found = [[] for _ in images]
        for batch in batches:
            same_size = [small[position] for position in batch]
            for row in _detect(same_size, self.min_size, self.min_score):
                position = batch[int(row[0])]
                face = _face(row, images[position].shape, small[position].size)
                if face.area > 0:
                    found[position].append(face)
        return [sorted(faces, key=lambda face: (-face.area, face.box)) for faces in found]


def crop_box(
    box: tuple[int, int, int, int], height: int, width: int, margin: float = 1.3
) -> tuple[int, int, int, int]:
    """Compute the square crop of a face, which always lies inside the image, without padding.

    Args:
        box: (x0, y0, x1, y1) of the face in pixels.
        height, width: of the image.
        margin: side of the square over the longer side of the face. Defaults to 1.3, the crop
            of FaceForensics++.

    Returns:
        (x0, y0, x1, y1), ints: about the face's centre, or shifted into the image where it would
        leave it; its side is at most the image's shorter side.
    """
    x0, y0, x1, y1 = box
    side = min(max(round(margin * max(x1 - x0, y1 - y0)), 1), height, width)
    left = min(max((x0 + x1 - side) // 2, 0), width - side)
    top = min(max((y0 + y1 - side) // 2, 0), height - side)
    return left, top, left + side, top + side


def cut(image: np.ndarray, box: tuple[int, int, int, int], size: int) -> np.ndarray:
    """Cut `box` out of an image and resize it to the network's input.

    Args:
        image: uint8 array (H, W, 3).
        box: (x0, y0, x1, y1), a result of `crop_box`.
        size: side of the result in pixels.

    Returns:
        uint8 array (size, size, 3).
    """
    x0, y0, x1, y1 = box
    return np.asarray(resize(image[y0:y1, x0:x1], size))


def _bound(image, max_side):
    image = Image.fromarray(image)
    scale = max_side / max(image.size)
    if scale >= 1:
        return image
    size = tuple(max(round(side * scale), 1) for side in image.size)
    return image.resize(size, Image.Resampling.BILINEAR)


def _face(row, shape, small_size):
    """Make the `Face` in the full image from a row of `_detect` in the small one."""
    size = shape[1], shape[0]
    scales = np.array([full / small for full, small in zip(size, small_size, strict=True)] * 2)
    corners = np.clip(np.round(row[1:5] * scales), 0, [*size, *size])
    points = np.round(row[6:].reshape(2, 5).T * scales[:2], 1)
    x0, y0, x1, y1 = (int(corner) for corner in corners)
    return Face((x0, y0, x1, y1), float(row[5]), tuple((float(x), float(y)) for x, y in points))


@functools.cache
def _networks():
    """Load the three networks, once a process; the import takes seconds."""
    from mtcnn.stages import StageONet, StagePNet, StageRNet

    networks = [stage().model for stage in (StagePNet, StageRNet, StageONet)]
    for network in networks:
        network.compile(jit_compile=False)  # XLA would compile again for every shape
    return networks


def _detect(images, min_size, min_score):
    """Find the faces in Pillow images of one size, as rows.

    A row is (image, x0, y0, x1, y1, score) and five landmarks, their x before their y.
    """
    from mtcnn.utils.bboxes import resize_to_square, smart_nms_from_bboxes

    propose, refine, output = _networks()
    rows = _proposals(propose, images, min_size)
    if not len(rows):
        return rows
    pixels = _normalize(images)
    rows = resize_to_square(smart_nms_from_bboxes(rows, 0.7))
    rows = _refined(refine, pixels, rows, side=24, threshold=0.7)
    if not len(rows):
        return rows
    rows = resize_to_square(smart_nms_from_bboxes(rows, 0.7))
    rows = _refined(output, pixels, rows, side=48, threshold=min_score)
    return smart_nms_from_bboxes(rows, 0.7, method="min")


def _proposals(network, images, min_size):
    """Find the rows that the first network proposes, in every scale of the image pyramid."""
    from mtcnn.utils.bboxes import smart_nms_from_bboxes

    width, height = images[0].size
    found = [np.empty((0, 6))]
    scale = _CELL / min_size
    # The network has no output for less than one cell.
    while round(min(width, height) * scale) >= _CELL:
        size = round(width * scale), round(height * scale)
        scaled = [image.resize(size, Image.Resampling.BOX) for image in images]
        offsets, scores = network.predict_on_batch(_normalize(scaled))  # (B, h, w, 4), (..., 2)
        number, y, x = np.nonzero(scores[..., 1] > 0.6)
        cells = np.stack([x, y, x, y], axis=1) * _STRIDE + [0, 0, _CELL, _CELL]
        boxes = (cells + offsets[number, y, x] * _CELL) / scale
        rows = np.column_stack([number, boxes, scores[number, y, x, 1]])
        found.append(smart_nms_from_bboxes(_strongest(rows), 0.5))
        scale *= _PYRAMID_STEP
    return _strongest(np.concatenate(found))


def _strongest(rows):
    """Keep the best rows of each image: suppression takes memory by the square of their number."""
    rows = rows[np.argsort(-rows[:, 5], kind="stable")]
    kept = [np.flatnonzero(rows[:, 0] == image)[:_MAX_PROPOSALS] for image in set(rows[:, 0])]
    return rows[np.sort(np.concatenate(kept))] if kept else rows


def _refined(network, pixels, rows, side, threshold):
    """Give rows the boxes and scores of `network`, and keep those above the threshold.

    The third network gives landmarks, too.
    """
    from mtcnn.utils.bboxes import adjust_bboxes, pick_matches, replace_confidence
    from mtcnn.utils.images import extract_patches

    patches = np.asarray(extract_patches(pixels, rows, (side, side)))
    offsets, *landmarks, scores = network.predict_on_batch(patches)
    landmarks = [_in_image(points, rows) for points in landmarks]
    rows = adjust_bboxes(replace_confidence(rows, scores), offsets)
    rows = np.column_stack([rows, *landmarks])
    return pick_matches(rows, scores_column=5, score_threshold=threshold)


def _in_image(landmarks, rows):
    """Convert (N, 10) landmarks from shares of the boxes of `rows` to pixels of the image."""
    corners = np.repeat(rows[:, 1:3], 5, axis=1)
    sides = np.repeat(rows[:, 3:5] - rows[:, 1:3] + 1, 5, axis=1)
    return sides * landmarks + corners - 1  # + 1 and - 1 as in the network's training


def _normalize(images):
    pixels = np.stack([np.asarray(image) for image in images]).astype(np.float32)
    return (pixels - 127.5) / 128
