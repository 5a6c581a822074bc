"""Images to scored faces: find, cut and score, in the same way for frames of videos."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrl_keras.data.sequences import Scores
from lrl_keras.errors import InputError
from lrl_keras.media import faces, images

if TYPE_CHECKING:
    from lrl_keras.models import Detector


@dataclasses.dataclass(frozen=True)
class Scored:
    """A face with its score and, for overlays, its mask as uint8 (S, S) if the model makes one."""

    face: faces.Face | None
    crop: tuple[int, int, int, int]
    score: float
    heat: np.ndarray | None

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        return None if self.face is None else self.face.box

    def as_dict(self) -> dict[str, Any]:
        box = None if self.box is None else list(self.box)
        confidence = None if self.face is None else round(self.face.score, 4)
        return {
            "score": round(self.score, 6),
            "box": box,
            "confidence": confidence,
            "crop": list(self.crop),
        }


@dataclasses.dataclass(frozen=True)
class Cut:
    """A face, its crop, and what the network is to see of it: uint8 (S, S, 3)."""

    face: faces.Face | None
    crop: tuple[int, int, int, int]
    pixels: np.ndarray


class Scorer:
    """Finds, cuts and scores the faces of images; without a face detector the image is the face.

    Attributes:
        frames: F, faces of one face's track that are scored together, see `Detector`.
    """

    def __init__(
        self, model: Detector, batch_size: int, detector: faces.FaceDetector | None, keep_heat: bool
    ) -> None:
        self.batch_size = batch_size
        self.detector = detector
        self.frames = model.frames
        self._model = model
        self._keep_heat = keep_heat

    def __call__(
        self,
        batch: Sequence[np.ndarray],
        crops: Sequence[Sequence[tuple[int, int, int, int]]] | None = None,
        crop_size: int | None = None,
    ) -> list[list[Scored]]:
        """Return lists of `Scored`, one an image, each face by itself; arguments as of `cut`."""
        rows = self.cut(batch, crops, crop_size)
        scores = self._scores([found.pixels for row in rows for found in row])
        return [[Scored(found.face, found.crop, *next(scores)) for found in row] for row in rows]

    def cut(
        self,
        batch: Sequence[np.ndarray],
        crops: Sequence[Sequence[tuple[int, int, int, int]]] | None = None,
        crop_size: int | None = None,
    ) -> list[list[Cut]]:
        """Return lists of `Cut`, one an image.

        Args:
            batch: list of uint8 arrays (H, W, 3).
            crops: lists of the boxes to cut, one an image; default: find the faces.
            crop_size: side in pixels that crops are first resized to; default: the model's.
        """
        places: list[list[tuple[faces.Face | None, tuple[int, int, int, int]]]]
        if crops is not None:
            places = [[(None, crop) for crop in row] for row in crops]
        elif self.detector is None:
            places = [[_whole(image)] for image in batch]
        else:
            places = [
                [(face, self._crop(face, image)) for face in found]
                for image, found in zip(batch, self.detector(batch), strict=True)
            ]
        size, side = crop_size or self._model.crop_size, self._model.image_size
        return [
            [
                Cut(face, crop, np.asarray(images.resize(faces.cut(image, crop, size), side)))
                for face, crop in row
            ]
            for image, row in zip(batch, places, strict=True)
        ]

    def track(self, cuts: Sequence[Cut]) -> list[Scored]:
        """Score one face over the frames of a video, in sequences as `lrl_keras.data.sequences`.

        Args:
            cuts: the face in each frame, in the order of time.
        """
        scores, found = Scores(self._model), []
        for start in range(0, len(cuts), self.batch_size):
            part = np.stack([cut.pixels for cut in cuts[start : start + self.batch_size]])
            found += scores.add(part.astype(np.float32), [0] * len(part))
        found += scores.finish()
        _check_finite(found)
        return [
            Scored(cut.face, cut.crop, score, None) for cut, score in zip(cuts, found, strict=True)
        ]

    def _crop(self, face, image):
        height, width = image.shape[:2]
        return faces.crop_box(face.box, height, width, self._model.crop_margin)

    def _scores(self, pixels):
        """Yield (score, heat) of each face."""
        for start in range(0, len(pixels), self.batch_size):
            batch = np.stack(pixels[start : start + self.batch_size]).astype(np.float32)
            if self.frames > 1:
                batch = np.repeat(batch[:, None], self.frames, axis=1)
            outputs = self._model.predict_on_batch(batch)
            scores = np.asarray(outputs["label"], np.float64)[:, 0]
            _check_finite(scores)
            heats = [None] * len(scores)
            shown = next((name for name in ("mask", "xray") if name in outputs), None)
            if self._keep_heat and shown is not None:
                heats = np.rint(255 * np.asarray(outputs[shown])[..., 0]).astype(np.uint8)
            yield from zip(scores.tolist(), heats, strict=True)


def _check_finite(scores):
    if not np.isfinite(scores).all():
        raise InputError("the model gives scores that are not finite; train it again")


def _whole(image):
    height, width = image.shape[:2]
    box = (0, 0, width, height)
    return faces.Face(box, 1.0), box
