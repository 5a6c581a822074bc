"""Face crops of the wanted frames of one clip."""

import contextlib
import dataclasses
import itertools

import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.media import faces, images
from lrl_keras.media.tracking import persistent_tracks

NOT_DECODED = "not decoded"
NO_FACE = "no face"

_BATCH = 8
_MAX_FACES = 5
_MAX_TRACKS = 3


@dataclasses.dataclass(frozen=True)
class Crop:
    """A face crop and where it was cut.

    Attributes:
        image: uint8 array (S, S, 3), RGB.
        box: (x0, y0, x1, y1) of the crop in the frame.
        frame_size: (height, width) of the frame.
        landmarks: the five points of the face in the frame; `None` where it was not detected.
        face: box of the face in the frame; `None` likewise.
    """

    image: np.ndarray
    box: tuple[int, int, int, int]
    frame_size: tuple[int, int]
    landmarks: tuple | None = None
    face: tuple[int, int, int, int] | None = None


@dataclasses.dataclass(frozen=True)
class Found:
    """The faces that persist over the wanted frames of a clip.

    Attributes:
        tracks: for each such face, the largest first, its `Crop` by index of the frame; at least
            one, which may be empty.
        decoded: indices of the frames that could be decoded.
    """

    tracks: tuple[dict[int, Crop], ...]
    decoded: frozenset[int]

    def why_not(self, index):
        """Give the reason why a face has no crop at a frame."""
        return NO_FACE if index in self.decoded else NOT_DECODED


def find_faces(clip, indices, detector, margin, size):
    """Follow the faces of a clip and cut them out.

    Args:
        clip: what `lrl_keras.media.clip.open_clip` opened.
        indices: indices of frames.
        detector: a `lrl_keras.media.faces.FaceDetector`.
        margin: side of the crop over the longer side of the face.
        size: side of the resized crop in pixels.

    Returns:
        a `Found`.

    Raises:
        InputError: the clip can no longer be read.
    """
    candidates = {}
    for batch in _batches(clip.frames(indices)):
        detections = detector([image for _, image in batch])
        for (index, image), detected in zip(batch, detections, strict=True):
            candidates[index] = _crops(image, detected, margin, size)
    return _follow(candidates)


def find_in_images(paths, detector, margin, size):
    """Find the faces of several images in one batch of the detector; see `find_faces`.

    Args:
        paths: the images; what cannot be read as one is left out.
        detector, margin, size: as in `find_faces`.

    Returns:
        dict from path to `Found`, with index 0.
    """
    found = {}
    for path in paths:
        with contextlib.suppress(InputError):
            found[path] = images.read_image(path)
    detections = detector(list(found.values()))
    return {
        path: _follow({0: _crops(image, detected, margin, size)})
        for (path, image), detected in zip(found.items(), detections, strict=True)
    }


def take_whole(clip, indices, size):
    """Resize the wanted frames of a clip that are face crops already; see `find_faces`."""
    crops = {}
    for index, image in clip.frames(indices):
        height, width = image.shape[:2]
        box = (0, 0, width, height)
        crops[index] = Crop(faces.cut(image, box, size), box, (height, width))
    return Found((crops,), frozenset(crops))


def cut_same(clip, tracks, indices, size):
    """Cut the boxes of one clip's faces out of the same frames of another.

    Args:
        clip: the other clip.
        tracks: for each face, its `Crop` by index of the frame.
        indices: the frames to cut from, those that have a crop in any track.
        size: side of the resized crop in pixels.

    Returns:
        for each track a dict from index to uint8 array (S, S, 3), without the frames that cannot
        be decoded.

    Raises:
        InputError: the clip can no longer be read, or its frames differ in size.
    """
    cuts = tuple({} for _ in tracks)
    wanted = [index for index in indices if any(index in track for track in tracks)]
    for index, frame in clip.frames(wanted):
        for track, cut in zip(tracks, cuts, strict=True):
            if index not in track:
                continue
            height, width = track[index].frame_size
            if frame.shape[:2] != (height, width):
                raise InputError(
                    f"{clip.path}: {frame.shape[1]} x {frame.shape[0]} pixels, its real video "
                    f"{width} x {height}"
                )
            cut[index] = faces.cut(frame, track[index].box, size)
    return cuts


def _batches(items):
    items = iter(items)
    while batch := list(itertools.islice(items, _BATCH)):
        yield batch


def _crops(frame, detected, margin, size):
    """Cut out the largest faces of a frame: `Crop` by face."""
    return {face: _crop(frame, face, margin, size) for face in detected[:_MAX_FACES]}


def _follow(candidates):
    """Make `Found` of the crops by face, by index of the frame in ascending order."""
    indices = list(candidates)
    tracks = persistent_tracks([list(crops) for crops in candidates.values()])
    return Found(
        tuple(
            {indices[place]: candidates[indices[place]][face] for place, face in track.items()}
            for track in tracks[:_MAX_TRACKS] or [{}]
        ),
        frozenset(candidates),
    )


def _crop(frame, face, margin, size):
    height, width = frame.shape[:2]
    box = faces.crop_box(face.box, height, width, margin)
    return Crop(faces.cut(frame, box, size), box, (height, width), face.landmarks, face.box)
