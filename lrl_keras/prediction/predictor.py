"""Score images and videos: the faces in them, cut as in training, through the network."""

import itertools
import os
import tempfile
from pathlib import Path

from lrl_keras import data
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError
from lrl_keras.media import discovery as all_inputs
from lrl_keras.media import faces, images
from lrl_keras.media.images import shown
from lrl_keras.media.video import Video, evenly_spaced
from lrl_keras.prediction.overlay import Folder, Frames
from lrl_keras.prediction.pipeline import Scorer

CROPS = ("face", "none")

# Decoded pictures that are held at once; more wait until these are scored.
_PIXELS_AT_ONCE = 64_000_000
# MTCNN's false positives on photographs lie below; a video's do not persist.
_SURE = 0.9
_NO_FACE = "no face found"


def predict(
    model,
    inputs,
    *,
    frames_per_video=50,
    crop="face",
    overlay=None,
    batch_size=16,
    detector=None,
    boxes=None,
):
    """Score images, videos and folders of them; 0 is real, 1 is forged.

    An image's score is the highest of its faces; detections with a confidence below 0.9 are left
    out there, unless there is no other: then the most confident one is taken. A video's faces are
    followed over evenly spaced frames, and detections that do not persist are left out; a frame's
    score is the highest of its faces, and the video's score the mean over the frames with a face.

    Args:
        model: one of `lrl_keras.models.DETECTORS`.
        inputs: path or list of paths of images, videos and folders, in any mix. In folders
            (searched with all below them) files that are neither are skipped, with a line on
            standard error.
        frames_per_video: frames taken from each video, evenly spaced. Defaults to 50.
        crop: `"face"` finds the faces and cuts them as in training; `"none"` takes the whole
            picture as the face, squeezed to a square.
        overlay: folder for a PNG of each image and an MP4 of each video's frames (5 a second),
            with boxes, scores and, if the model has one, heat maps of the mask. Default: none
            are written.
        batch_size: faces scored at once, and pictures held at once. Defaults to 16.
        detector: `lrl_keras.media.faces.Detector`; default: a new one.
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
        - `warning`, one line: no face was found, or a video is damaged or cut off.
        - `overlay`: path of the picture or film, if asked for.

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
        stored = _StoredBoxes(boxes)
    folder = None
    if overlay is not None:
        folder, inputs = Folder(overlay), list(inputs)
        if any(os.path.isdir(path) and os.path.samefile(path, overlay) for path in inputs):
            raise InputError(f"{shown(overlay)}: is an input; choose another overlay folder")
    if crop == "none":
        detector = None
    elif detector is None:
        detector = faces.Detector()
    scorer = Scorer(model, batch_size, detector, keep_heat=folder is not None)
    files = all_inputs.find(inputs, leave_out=overlay)
    return _results(scorer, files, frames_per_video, stored, folder)


class _StoredBoxes:
    """Frames and crops of the videos in a folder of records."""

    def __init__(self, records):
        self._records = Records.open(records)
        self.crop_size = self._records.image_size
        self._clips = data.boxes(self._records)

    def of(self, path):
        """Lists of crop boxes by frame index, of the clip that is called like the file."""
        path = Path(path)
        clips = {key: crops for key, crops in self._clips.items() if key[2] == path.stem}
        if len(clips) > 1:
            folders = path.absolute().parent.parts
            clips = {key: crops for key, crops in clips.items() if key[1] in folders}
        if len(clips) == 1:
            return next(iter(clips.values()))
        methods = sorted(method for _, method, video in self._clips if video == path.stem)
        if not methods:
            raise InputError(f"{shown(path)}: {self._records} holds no video of this name")
        raise InputError(
            f"{shown(path)}: {self._records} holds several videos of this name "
            f"({', '.join(methods)}); put it below a folder called like one of these methods"
        )


def _results(scorer, files, frames_per_video, stored, folder):
    waiting, pixels = [], 0
    for file in files:
        if file.kind == "video":
            yield from _of_images(scorer, waiting, folder)
            waiting, pixels = [], 0
            yield _of_video(scorer, file, frames_per_video, stored, folder)
            continue
        picture = _read(file)
        waiting.append((file, picture))
        pixels += 0 if isinstance(picture, str) else picture.shape[0] * picture.shape[1]
        if len(waiting) == scorer.batch_size or pixels > _PIXELS_AT_ONCE:
            yield from _of_images(scorer, waiting, folder)
            waiting, pixels = [], 0
    yield from _of_images(scorer, waiting, folder)


def _read(file):
    """The picture, or one line that says why there is none."""
    if file.error is not None:
        return file.error
    try:
        return images.read_image(file.path)
    except InputError as error:
        return str(error)


def _of_images(scorer, waiting, folder):
    scored = iter(scorer([picture for _, picture in waiting if not isinstance(picture, str)]))
    for file, picture in waiting:
        if isinstance(picture, str):
            yield {"input": file.path, "error": picture}
            continue
        found = _sure(next(scored))
        result = {
            "input": file.path,
            "kind": "image",
            "score": max((round(face.score, 6) for face in found), default=None),
            "faces": [face.as_dict() for face in found],
        }
        if not found:
            result["warning"] = f"{shown(file.path)}: {_NO_FACE}"
        if folder is not None:
            _draw(result, folder.write_image, file.name, picture, found)
        yield result


def _sure(found):
    best = sorted(found, key=lambda scored: -scored.face.score)
    return [scored for scored in found if scored.face.score >= _SURE] or best[:1]


def _of_video(scorer, file, frames_per_video, stored, folder):
    with tempfile.TemporaryFile() as on_disk:
        decoded = None if folder is None else Frames(on_disk)
        return _score_video(scorer, file, frames_per_video, stored, folder, decoded)


def _score_video(scorer, file, frames_per_video, stored, folder, decoded):
    try:
        video = Video(file.path)
        if stored is None:
            indices = evenly_spaced(video.count, frames_per_video)
            frames = _score_frames(scorer, video, indices, decoded)
        else:
            indices = stored.of(file.path)
            frames = _score_frames(scorer, video, indices, decoded, indices, stored.crop_size)
    except (InputError, OSError) as error:
        return {"input": file.path, "error": " ".join(str(error).split())}
    scores = {index: max(f.score for f in found) for index, found in frames.items() if found}
    result = {
        "input": file.path,
        "kind": "video",
        "score": round(sum(scores.values()) / len(scores), 6) if scores else None,
        "frames": [
            {
                "frame": index,
                "score": round(scores[index], 6) if found else None,
                "faces": [face.as_dict() for face in found],
            }
            for index, found in frames.items()
        ],
        "frames_expected": len(indices),
        "frames_decoded": len(frames),
        "frames_without_face": [index for index, found in frames.items() if not found],
    }
    problems = _problems(video, len(indices), len(frames), scores)
    if problems:
        result["warning"] = f"{shown(file.path)}: {'; '.join(problems)}"
    if folder is not None:
        drawn = ((index, image, frames[index]) for index, image in decoded)
        _draw(result, folder.write_video, file.name, drawn)
    return result


def _score_frames(scorer, video, indices, decoded, crops=None, crop_size=None):
    """Scored faces of each frame that can be decoded, by index; `decoded` keeps the frames."""
    frames = {}
    wanted = video.frames(indices)
    while batch := list(itertools.islice(wanted, scorer.batch_size)):
        given = None
        if crops is not None:
            given = [_inside(video.path, image, crops[index]) for index, image in batch]
        if decoded is not None:
            decoded.extend(batch)
        scored = scorer([image for _, image in batch], given, crop_size)
        frames.update(zip((index for index, _ in batch), scored, strict=True))
    if not frames:
        raise InputError(
            f"{shown(video.path)}: none of {len(indices)} frames can be decoded; "
            "the file is damaged"
        )
    if crops is None and scorer.detector is not None:
        frames = _persistent(frames)
    return frames


def _persistent(frames):
    tracks = faces.persistent_tracks([[face.face for face in found] for found in frames.values()])
    kept = [{track[place] for track in tracks if place in track} for place in range(len(frames))]
    return {
        index: [face for face in found if face.face in kept[place]]
        for place, (index, found) in enumerate(frames.items())
    }


def _inside(path, image, crops):
    height, width = image.shape[:2]
    for x0, y0, x1, y1 in crops:
        if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):
            raise InputError(
                f"{shown(path)}: the records cut {[x0, y0, x1, y1]} out of a video of this name, "
                f"this one has {width} x {height} pixels; give the video they were made from"
            )
    return crops


def _problems(video, expected, decoded, scores):
    problems = []
    if video.stated > video.count:
        problems.append(f"cut off, {video.count} of {video.stated} frames are there")
    if decoded < expected:
        problems.append(f"{expected - decoded} of {expected} frames could not be decoded")
    if not scores:
        problems.append(_NO_FACE)
    return problems


def _draw(result, write, *arguments):
    try:
        result["overlay"] = write(*arguments)
    except InputError as error:
        result["error"] = str(error)
