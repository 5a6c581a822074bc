"""Face crops of the wanted frames of one video."""

import dataclasses
import itertools

import numpy as np

from lrl_keras import faces, video
from lrl_keras.errors import InputError

NOT_DECODED = "not decoded"
NO_FACE = "no face"

_BATCH = 8
_MAX_FACES = 5


@dataclasses.dataclass(frozen=True)
class Crop:
    """A face crop and where it was cut.

    Attributes:
        image: uint8 array (S, S, 3), RGB.
        box: (x0, y0, x1, y1) of the crop in the frame.
        frame_size: (height, width) of the frame.
    """

    image: np.ndarray
    box: tuple[int, int, int, int]
    frame_size: tuple[int, int]


def find_crops(path, indices, detector, margin, size):
    """Crops of the largest face that persists over the wanted frames of a video.

    Args:
        path: the video.
        indices: indices of frames.
        detector: a `lrl_keras.faces.Detector`.
        margin: side of the crop over the longer side of the face.
        size: side of the resized crop in pixels.

    Returns:
        (crops, problems): `Crop` or reason by index; each index is in one of them.

    Raises:
        InputError: the video cannot be read.
    """
    found, candidates = [], []
    for batch in _batches(video.read_frames(path, indices)):
        detections = detector([image for _, image in batch])
        for (index, image), detected in zip(batch, detections, strict=True):
            largest = detected[:_MAX_FACES]
            found.append((index, largest))
            candidates.append({face: _crop(image, face.box, margin, size) for face in largest})
    tracks = faces.persistent_tracks([largest for _, largest in found])
    track = tracks[0] if tracks else {}
    crops = {found[place][0]: candidates[place][face] for place, face in track.items()}
    decoded = {index for index, _ in found}
    problems = {
        index: NO_FACE if index in decoded else NOT_DECODED
        for index in indices
        if index not in crops
    }
    return crops, problems


def cut_same(path, crops, size):
    """Cut the boxes of one video's crops out of the same frames of another.

    Args:
        path: the other video.
        crops: `Crop` by index of the frame.
        size: side of the resized crop in pixels.

    Returns:
        dict from index to uint8 array (S, S, 3), without the frames that cannot be decoded.

    Raises:
        InputError: the video cannot be read, or its frames differ in size.
    """
    images = {}
    for index, frame in video.read_frames(path, crops):
        height, width = crops[index].frame_size
        if frame.shape[:2] != (height, width):
            raise InputError(
                f"{path}: {frame.shape[1]} x {frame.shape[0]} pixels, its real video "
                f"{width} x {height}"
            )
        images[index] = faces.cut(frame, crops[index].box, size)
    return images


def _batches(items):
    items = iter(items)
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch


def _crop(frame, face_box, margin, size):
    height, width = frame.shape[:2]
    box = faces.crop_box(face_box, height, width, margin)
    return Crop(faces.cut(frame, box, size), box, (height, width))
