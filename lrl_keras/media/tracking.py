"""Tracks of faces over the frames of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lrl_keras.media.faces import Face


def persistent_tracks(detections: Sequence[Sequence[Face]]) -> list[dict[int, Face]]:
    """Follow faces over the frames of a clip and keep those that persist.

    A face continues the track with the nearest last box, if that is less than one box away and at
    most twice as large or small.

    Args:
        detections: list over the frames, in order, of lists of `lrl_keras.media.faces.Face`.

    Returns:
        list of tracks, the one with the largest median area first; a track maps the position in
        `detections` to the `Face` there. These are the tracks in at least half of the frames that
        have a face or, where there is none (in a clip of several shots), the one in most frames.
    """
    tracks = []
    for position, faces in enumerate(detections):
        pairs = sorted(
            (distance, number, place)
            for number, track in enumerate(tracks)
            for place, face in enumerate(faces)
            if (distance := _distance(track[max(track)], face)) is not None
        )
        taken_tracks, taken_faces = set(), set()
        for _, number, place in pairs:
            if number not in taken_tracks and place not in taken_faces:
                tracks[number][position] = faces[place]
                taken_tracks.add(number)
                taken_faces.add(place)
        tracks += [{position: face} for place, face in enumerate(faces) if place not in taken_faces]
    frames = sum(bool(faces) for faces in detections)
    kept = [track for track in tracks if 2 * len(track) >= frames]
    if not kept:
        kept = sorted(tracks, key=lambda track: (-len(track), -_median_area(track)))[:1]
    return sorted(kept, key=lambda track: -_median_area(track))


def _distance(last, face):
    """Compute the distance of two boxes in box sides, `None` where they cannot be one face."""
    sides = [max(f.box[2] - f.box[0], f.box[3] - f.box[1]) for f in (last, face)]
    if max(sides) > 2 * min(sides):
        return None
    gaps = [
        (last.box[axis] + last.box[axis + 2] - face.box[axis] - face.box[axis + 2]) / 2
        for axis in (0, 1)
    ]
    distance = float(np.hypot(*gaps)) / (sum(sides) / 2)
    return distance if distance < 1 else None


def _median_area(track):
    return float(np.median([face.area for face in track.values()]))
