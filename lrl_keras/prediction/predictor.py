"""Scores of images and videos: their faces, cut as in training, through the network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lrl_keras.errors import InputError
from lrl_keras.media import discovery as all_inputs
from lrl_keras.media import faces, images
from lrl_keras.media.images import shown
from lrl_keras.prediction.overlay import NO_FACE, Folder, draw
from lrl_keras.prediction.pipeline import Scorer
from lrl_keras.prediction.videos import StoredBoxes, score_video

if TYPE_CHECKING:
    from lrl_keras.data import Records
    from lrl_keras.models import Detector

CROPS = ("face", "none")

# Pixels of decoded images that are held at once; more wait until these are scored.
_PIXELS_AT_ONCE = 64_000_000
# MTCNN's false positives on photographs lie below; a video's do not persist.
_SURE = 0.9


def predict(
    model: Detector,
    inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    frames_per_video: int = 50,
    crop: str = "face",
    overlay: str | os.PathLike[str] | None = None,
    batch_size: int = 16,
    detector: faces.FaceDetector | None = None,
    boxes: str | os.PathLike[str] | Records | None = None,
) -> Iterator[dict[str, Any]]:
    """Score images, videos and folders of them; 0 is real, 1 is forged.

    An image's score is the highest of its faces; detections with a confidence below 0.9 are left
    out there, unless there is no other: then the most confident one is taken. A video's faces are
    followed over evenly spaced frames, and detections that do not persist are left out; a frame's
    score is the highest of its faces, and the video's score the mean over the frames with a face.
    A detector of sequences scores each face of a video over the frames taken, see
    `lrl_keras.data.sequences`; an image is repeated for it.

    Args:
        model: one of `lrl_keras.models.DETECTORS`.
        inputs: path or list of paths of images, videos and folders, in any mix. In folders
            (searched with all below them) files that are neither are skipped; the logger
            `lrl_keras` counts them (INFO).
        frames_per_video: frames taken from each video, evenly spaced. Defaults to 50.
        crop: `"face"` finds the faces and cuts them as in training; `"none"` takes the whole
            image as the face, squeezed to a square.
        overlay: folder for a PNG of each image and an MP4 of each video's frames (5 a second),
            with boxes, scores and, if the model has one, heat maps of the mask or the X-ray.
            Default: none are written.
        batch_size: faces scored at once, and images held at once. Defaults to 16.
        detector: `lrl_keras.media.faces.FaceDetector`; default: a new one.
        boxes: folder of records. Frames and crops of videos are then taken from there, found by
            the file's name (and, where several clips are called so, by a folder in its path
            that is called like the method), so that the very pixels of the records are scored.

    Returns:
        iterator of dicts of plain Python values, one an input file, in order. All have `input`.
        What cannot be scored or drawn has `error`, one line, and nothing is raised for it.
        What is scored has:

        - `kind` (`"image"` or `"video"`), `score` in [0, 1], or `None` where no face was found.
        - `faces` (image): list of dicts with `score`, `box` (x0, y0, x1, y1) of the face in
          pixels and the detector's `confidence` (both `None` if it came from `boxes`), and
          `crop`, the square that was scored.
        - `frames` (video): list of dicts with `frame` (index from 0), `score` and `faces`.
        - `frames_expected`, `frames_decoded` (video): frames asked for and frames that could be
          read; `frames_without_face`: their indices.
        - `warning`, one line: no face was found, a video is damaged or cut off, an image file
          holds more than one image, or an image was repeated as a sequence.
        - `overlay`: path of the PNG or MP4, if asked for.

    Raises:
        InputError: an argument is wrong, or the model gives scores that are not finite.
    """
    if crop not in CROPS:
        raise InputError(f"crop must be one of {', '.join(CROPS)}. Received: {crop!r}")
    for name, value in {"frames_per_video": frames_per_video, "batch_size": batch_size}.items():
        if value < 1:
            raise InputError(f"{name} must be at least 1. Received: {value}")
    if isinstance(inputs, str | os.PathLike):
        inputs = [inputs]
    stored = None
    if boxes is not None:
        if crop == "none":
            raise InputError("boxes give the crops of faces: leave out boxes, or crop='none'")
        stored = StoredBoxes(boxes)
    folder = None
    if overlay is not None:
        folder, inputs = Folder(overlay), list(inputs)
        if any(os.path.isdir(path) and os.path.samefile(path, overlay) for path in inputs):
            raise InputError(f"{shown(overlay)}: is an input; choose another overlay folder")
    if crop == "none":
        detector = None
    elif detector is None:
        detector = faces.FaceDetector()
    scorer = Scorer(model, batch_size, detector, keep_heat=folder is not None)
    files = all_inputs.find(inputs, leave_out=overlay)
    return _results(scorer, files, frames_per_video, stored, folder)


def _results(scorer, files, frames_per_video, stored, folder):
    waiting, pixels = [], 0
    for file in files:
        if file.kind == "video":
            yield from _of_images(scorer, waiting, folder)
            waiting, pixels = [], 0
            yield score_video(scorer, file, frames_per_video, stored, folder)
            continue
        image, count = _read(file)
        waiting.append((file, image, count))
        pixels += 0 if isinstance(image, str) else image.shape[0] * image.shape[1]
        if len(waiting) == scorer.batch_size or pixels > _PIXELS_AT_ONCE:
            yield from _of_images(scorer, waiting, folder)
            waiting, pixels = [], 0
    yield from _of_images(scorer, waiting, folder)


def _read(file):
    """Return the image, or one line that says why there is none, and the number of images."""
    if file.error is not None:
        return file.error, 0
    try:
        return images.read_first(file.path)
    except InputError as error:
        return str(error), 0


def _of_images(scorer, waiting, folder):
    scored = iter(scorer([image for _, image, _ in waiting if not isinstance(image, str)]))
    for file, image, count in waiting:
        if isinstance(image, str):
            yield {"input": file.path, "error": image}
            continue
        found = _sure(next(scored))
        result = {
            "input": file.path,
            "kind": "image",
            "score": max((round(face.score, 6) for face in found), default=None),
            "faces": [face.as_dict() for face in found],
        }
        problems = [] if found else [NO_FACE]
        if found and scorer.frames > 1:
            problems.append(
                f"one image, repeated as the {scorer.frames} frames of a sequence, which the "
                "detector was trained on; give it videos"
            )
        if count > 1:
            problems.append(f"holds {count} images, of which the first one is scored")
        if problems:
            result["warning"] = f"{shown(file.path)}: {'; '.join(problems)}"
        if folder is not None:
            draw(result, folder.write_image, file.name, image, found)
        yield result


def _sure(found):
    best = sorted(found, key=lambda scored: -scored.face.score)
    return [scored for scored in found if scored.face.score >= _SURE] or best[:1]
