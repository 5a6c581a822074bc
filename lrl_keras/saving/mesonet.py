"""MesoNet's published weights, read as the numbers that they are."""

from __future__ import annotations

import collections
import hashlib
import io
import logging
import re
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from lrl_keras.models import build

if TYPE_CHECKING:
    from lrl_keras.models import Detector

# What the authors published, by SHA-256.
PUBLISHED = {
    "036ed30d04ffd9c7506f825b97c86aa64915f5818931da96817b169aad790af5": "Meso4_DF.h5",
    "bcfda015d217b9f8d6557693edbdf9f4e79cfd22672541968dd0e2954462b5d7": "Meso4_F2F.h5",
    "234586d40058e76ef8b6f27ca4b63c06e31c2a5a69c0d8ba6f30b1468ab7bafa": "MesoInception_DF.h5",
    "d4533ac8a3197dc35c47405d23d99e888c1d0135e267e03540c7451feaccff3f": "MesoInception_F2F.h5",
}
_HOME = "https://github.com/DariusAf/MesoNet"
_REMEDY = f"download it again from {_HOME}, folder weights"
# Keras 2 numbers the layers of a kind as they are made; the file lists them by their depth.
_LAYER = re.compile(r"(conv2d|batch_normalization|dense)_(\d+)")
_DETECTORS = {(4, 4, 2): "meso4", (16, 4, 2): "meso_inception4"}
_log = logging.getLogger(__name__)


def read(content: bytes) -> tuple[Detector, dict[str, Any]]:
    """Make a detector of MesoNet's weights as Keras 2 wrote them.

    The authors' output is the probability of a real face, so kernel and bias of the last layer
    change their sign. Their faces were centred on the nose, turned upright and cut twice as large;
    the detector has this package's `crop_margin` of 1.3, at which it may score otherwise than
    the authors report. Their files of Meso-4 list no LeakyReLU; their code has it, and so has ours.

    Args:
        content: of the HDF5 file.

    Returns:
        (`Meso4` or `MesoInception4`, dict of `home`, `published` and `licence`; the last two are
        `None` where the file is none of the four that the authors published).

    Raises:
        ValueError: on a content that is damaged or other than expected.
    """
    try:
        stored = _layers(content)
    except (KeyError, OSError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"damaged, or no HDF5 file ({reason}); {_REMEDY}") from None
    kinds = ("conv2d", "batch_normalization", "dense")
    counts = tuple(len(stored[kind]) for kind in kinds)
    if counts not in _DETECTORS:
        raise ValueError(
            "expected MesoNet's weights, 4 or 16 convolutions, 4 normalisations and 2 dense "
            f"layers. Received: {counts[0]}, {counts[1]} and {counts[2]}; {_REMEDY}"
        )
    model = build(_DETECTORS[counts])
    for kind, name in zip(kinds, ("conv", "norm", "dense"), strict=True):
        for index, number in enumerate(sorted(stored[kind]), start=1):
            last = (kind, index) == ("dense", 2)
            layer = model.get_layer("label" if last else f"{name}{index}")
            _assign(layer, f"{kind}_{number}", stored[kind][number], -1 if last else 1)
    published = PUBLISHED.get(hashlib.sha256(content).hexdigest())
    if published is None:
        _log.warning(
            "the weights are none of the four that MesoNet's authors published, by their SHA-256; "
            "damage of single numbers would not be seen"
        )
    licence = "Apache-2.0" if published else None
    return model, {"home": _HOME, "published": published, "licence": licence}


def _layers(content):
    """Return {kind: {number: {weight: dataset}}}; links are not followed, also to other files."""
    stored = collections.defaultdict(lambda: collections.defaultdict(dict))

    def collect(path, item):
        group, _, weight = path.rpartition("/")
        found = _LAYER.fullmatch(group.partition("/")[0])
        if found and isinstance(item, h5py.Dataset):
            stored[found[1]][int(found[2])][weight.removesuffix(":0")] = item

    h5py.File(io.BytesIO(content), "r").visititems(collect)
    return stored


def _assign(layer, name, stored, sign):
    for variable in layer.weights:
        dataset = stored.pop(variable.name, None)
        if dataset is None:
            raise ValueError(f"{name} has no {variable.name}; {_REMEDY}")
        shape, expected = dataset.shape, tuple(variable.shape)
        outside = dataset.external or dataset.is_virtual
        if shape != expected or dataset.dtype.kind != "f" or outside:
            raise ValueError(
                f"expected {expected} numbers of {name}'s {variable.name} in the file. "
                f"Received: shape {shape}, {dataset.dtype}{', outside' if outside else ''}; "
                f"{_REMEDY}"
            )
        try:
            values = dataset[()]
        except OSError as error:
            raise ValueError(f"damaged at {name}'s {variable.name} ({error}); {_REMEDY}") from None
        if not np.isfinite(values).all():
            raise ValueError(f"{name}'s {variable.name} is not finite; {_REMEDY}")
        variable.assign(sign * values)
    if stored:
        raise ValueError(f"{name} has {', '.join(sorted(stored))} as well; {_REMEDY}")
