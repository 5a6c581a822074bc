"""What is compared: runs and exported files, each opened only where it has to be scored."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrl_keras.errors import InputError
from lrl_keras.models import multiply_adds
from lrl_keras.saving import runtimes
from lrl_keras.saving.config import CONFIG
from lrl_keras.saving.formats import FORMATS
from lrl_keras.saving.run import DEFAULT, Run
from lrl_keras.system import files


class TrainedRun:
    """A run directory.

    Attributes:
        path: as the user gave it.
        identity: dict of SHA-256 by what it is of; with the records it says which scores it gives.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        run = Run.open(path)
        self.identity = {
            "weights_sha256": run.fingerprint,
            # Other sides of the input give other scores of the same weights.
            "config_sha256": files.sha256(run.path(CONFIG)),
        }
        self._run = run

    def opened(self) -> tuple[Any, dict[str, Any]]:
        """Build the network; returns what scores faces, and a dict of facts about it.

        Raises:
            InputError: naming the file that is damaged or does not fit.
        """
        model = self._run.network()
        return model, {
            "detector": model.NAME,
            "image_size": model.image_size,
            "parameters": model.count_params(),
            "multiply_adds": multiply_adds(model)["total"],
        }


class ExportedFile:
    """A file that `lrl_keras.export` or another program wrote; attributes as `TrainedRun`.

    The numbers of its parameters and multiply-adds are not known.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.identity = {"weights_sha256": _digest(path)}

    def opened(self) -> tuple[Any, dict[str, Any]]:
        """Load it on its runtime; returns as `TrainedRun.opened`.

        Raises:
            InputError: naming the file that is damaged, or the runtime that is not installed.
        """
        runtime = runtimes.load(self.path)
        if "label" not in runtime.outputs:
            raise InputError(f"{self.path}: has no output label; export it with lrl-keras export")
        return _Scorer(runtime), {
            "detector": _detector_of(runtime),
            "image_size": runtime.image_size,
            "parameters": None,
            "multiply_adds": None,
        }


class _Scorer:
    """A `Runtime` with the face of a Keras model."""

    def __init__(self, runtime):
        *frames, self.image_size, _, _ = runtime.shape
        self.frames = frames[0] if frames else 1
        self._runtime = runtime

    def predict_on_batch(self, images):
        return self._runtime(images)


def named(paths: Sequence[str | os.PathLike[str]]) -> dict[str, TrainedRun | ExportedFile]:
    """Find runs and exported files.

    Args:
        paths: folders of runs, `"default"`, or exported files, each once.

    Returns:
        dict of candidates by name: the last parts of the path, as many as tell them apart.

    Raises:
        InputError: naming one that is given twice or is neither.
    """
    given = [os.fspath(path) for path in paths]
    if not given:
        raise InputError("there is nothing to compare; name runs")
    places = [_place(path) for path in given]
    for index, place in enumerate(places):
        if place in places[:index]:
            raise InputError(f"{given[index]}: is named twice; name each run once")
    candidates = [
        TrainedRun(path) if Run.exists(path) or not _may_be_exported(path) else ExportedFile(path)
        for path in given
    ]
    return dict(zip(_names(places), candidates, strict=True))


def _place(path):
    return path if path == DEFAULT or files.is_url(path) else os.path.realpath(path)


def _may_be_exported(path):
    """Return whether there is a file, or a SavedModel; of anything else a run is missing."""
    if files.is_url(path) or os.path.isfile(path):
        return not files.is_url(path)
    marker = FORMATS["saved_model"].marker
    return any(any(Path(path).glob(place)) for place in (marker, f"*/{marker}"))


def _names(places):
    parts = [[part for part in place.split("/") if part] for place in places]
    names = []
    for count in range(1, max(map(len, parts)) + 1):
        names = ["-".join(each[-count:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{index}-{name}" for index, name in enumerate(names, 1)]


def _digest(path):
    """SHA-256 of a file with what lies beside it under its name, or of a folder's files."""
    digest = hashlib.sha256()
    here = Path(path)
    found = here.rglob("*") if here.is_dir() else here.parent.glob(f"{here.stem}.*")
    for file in sorted(file for file in found if file.is_file() and file.suffix != ".json"):
        digest.update(f"{file.name} {files.sha256(file)}\n".encode())
    return digest.hexdigest()


def _detector_of(runtime):
    try:
        return str(json.loads(files.read_bytes(f"{runtime.path}.json"))["detector"])
    except (KeyError, OSError, TypeError, ValueError):
        return None
