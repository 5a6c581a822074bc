"""Videos to scored frames: sampled, their faces followed, or cropped as the records say."""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrl_keras import data
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError
from lrl_keras.media.images import shown
from lrl_keras.media.tracking import persistent_tracks
from lrl_keras.media.video import Video, evenly_spaced
from lrl_keras.prediction.overlay import NO_FACE, Frames, draw

if TYPE_CHECKING:
    from lrl_keras.media.discovery import Input
    from lrl_keras.prediction.overlay import Folder
    from lrl_keras.prediction.pipeline import Scorer


class StoredBoxes:
    """Frames and crops of the videos in a folder of records.

    Args:
        records: the folder, or `Records`.

    Attributes:
        crop_size: side in pixels that crops are first resized to.
    """

    def __init__(self, records: str | os.PathLike[str] | Records) -> None:
        self._records = Records.open(records)
        self.crop_size = self._records.image_size
        self._clips = data.boxes(self._records)

    def of(self, path: str | os.PathLike[str]) -> dict[int, list[tuple[int, int, int, int]]]:
        """Return lists of crop boxes by frame index, of the clip that is called like the file."""
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


def score_video(
    scorer: Scorer,
    file: Input,
    frames_per_video: int,
    stored: StoredBoxes | None,
    folder: Folder | None,
) -> dict[str, Any]:
    """Score a video and write its overlay, if asked for.

    Args:
        scorer: `Scorer`.
        file: `lrl_keras.media.discovery.Input`.
        frames_per_video: frames to take, evenly spaced.
        stored: `StoredBoxes` to take frames and crops from, or `None`.
        folder: `Folder` of the overlays, or `None`.

    Returns:
        dict, as of `lrl_keras.prediction.predict`.
    """
    with tempfile.TemporaryFile() as on_disk:
        decoded = None if folder is None else Frames(on_disk)
        return _scored(scorer, file, frames_per_video, stored, folder, decoded)


def _scored(scorer, file, frames_per_video, stored, folder, decoded):
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
        draw(result, folder.write_video, file.name, drawn)
    return result


def _score_frames(scorer, video, indices, decoded, crops=None, crop_size=None):
    """Score the faces of each frame that can be decoded, by index; `decoded` keeps the frames."""
    frames = {}
    wanted = video.frames(indices)
    while batch := list(itertools.islice(wanted, scorer.batch_size)):
        given = None
        if crops is not None:
            given = [_inside(video.path, image, crops[index]) for index, image in batch]
        if decoded is not None:
            decoded.extend(batch)
        found_in = scorer if scorer.frames == 1 else scorer.cut
        found = found_in([image for _, image in batch], given, crop_size)
        frames.update(zip((index for index, _ in batch), found, strict=True))
    if not frames:
        raise InputError(
            f"{shown(video.path)}: none of {len(indices)} frames can be decoded; "
            "the file is damaged"
        )
    tracks = _tracks(list(frames.values()), crops is None and scorer.detector is not None)
    scored = {}
    for track in tracks:
        scores = track if scorer.frames == 1 else scorer.track(track)
        scored.update((id(each), score) for each, score in zip(track, scores, strict=True))
    return {
        index: [scored[id(each)] for each in found if id(each) in scored]
        for index, found in frames.items()
    }


def _tracks(rows, follow):
    """Return the faces of each track in the order of time; without `follow`, of each place."""
    if not follow:
        places = range(max(map(len, rows)))
        return [[row[place] for row in rows if place < len(row)] for place in places]
    of = [{each.face: each for each in row} for row in rows]
    return [
        [of[number][face] for number, face in sorted(track.items())]
        for track in persistent_tracks([list(row) for row in of])
    ]


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
        problems.append(NO_FACE)
    return problems
