"""Faces that calibrate int8: they show the ranges of the numbers inside a network."""

from __future__ import annotations

import dataclasses
import os

import numpy as np

from lrl_keras import data
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError

# Further faces hardly change the ranges, and each takes a second of a large network.
_FACES = 128
_HELD_OUT = 512


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Faces of a folder of records.

    Attributes:
        faces: uint8 (N, S, S, 3) of the train split, real and forged ones, evenly spaced.
        held_out: uint8 (M, S, S, 3) of the test split, or of val where that has no two classes.
        labels: int (M,) of `held_out`, 1 = forged.
        about: dict of what reports say of these faces.
    """

    faces: np.ndarray
    held_out: np.ndarray
    labels: np.ndarray
    about: dict

    @classmethod
    def of(cls, records: str | os.PathLike[str] | Records, image_size: int) -> Calibration:
        """Read the faces of a folder of records.

        Raises:
            InputError: records missing, damaged, or without faces of both kinds.
        """
        records = Records.open(records)
        held_out = [name for name in ("test", "val") if name in records.splits()]
        split = next((name for name in held_out if all(records.split(name).totals)), None)
        if split is None:
            raise InputError(
                f"{records}: neither test nor val has real and forged faces; int8 is checked on "
                "faces that it was not calibrated on"
            )
        faces, _ = _evenly(records, "train", image_size, _FACES)
        held_out, labels = _evenly(records, split, image_size, _HELD_OUT)
        about = {
            "records": str(records),
            "calibrated_on": len(faces),
            "split": split,
            "faces": len(labels),
        }
        return cls(faces, held_out, labels, about)


def _evenly(records, split, image_size, count):
    """Return at most `count` faces, half of each label where there are so many, and the labels."""
    totals = records.split(split).totals
    wanted = [
        set(np.linspace(0, total - 1, min(total, count // 2)).astype(int)) for total in totals
    ]
    seen, faces, labels = [0, 0], [], []
    for example in data.examples(records, split, image_size=image_size, batch_size=16):
        for image, label in zip(example["image"].numpy(), example["label"].numpy(), strict=True):
            if seen[label] in wanted[label]:
                faces.append(image.astype(np.uint8))
                labels.append(int(label))
            seen[label] += 1
    return np.stack(faces), np.array(labels)
