"""Exported networks on their own runtimes, behind one small interface.

Nothing here knows Keras or the network: an exported file is loaded as a stranger would load it.
`python -m lrl_keras.saving.runtimes FILE INPUTS OUTPUTS` runs a file in a process
of its own.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lrl_keras.errors import InputError, how_to_install
from lrl_keras.saving.formats import FORMATS
from lrl_keras.system import files
from lrl_keras.system.hardware import cores

OUTPUTS = ("label", "similarity", "mask", "xray")


@dataclasses.dataclass(frozen=True)
class Runtime:
    """An exported network that answers.

    Called with `images`, uint8 or float32 (B, S, S, 3), of sequences (B, F, S, S, 3), RGB, 0..255,
    it returns a dict of float32 arrays: `"label"` (B, 1) and, where the file has them,
    `"similarity"` (B, k², k²), `"mask"` and `"xray"` (B, S, S, 1). It may be called from several
    threads.

    Attributes:
        path: the file, or for a SavedModel the folder.
        format: one of `lrl_keras.saving.formats.FORMATS`.
        shape: of one input, (S, S, 3), or of a sequence of faces, (F, S, S, 3).
        outputs: names of its outputs.
    """

    path: str
    format: str
    shape: tuple[int, ...]
    outputs: tuple[str, ...]
    _run: Callable = dataclasses.field(repr=False)

    @property
    def image_size(self) -> int:
        """S, pixels."""
        return self.shape[-2]

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        images = np.asarray(images)
        if not images.ndim or images.shape[1:] != self.shape or not len(images):
            raise InputError(
                f"{self.path}: takes images of shape (B, {', '.join(map(str, self.shape))}), "
                f"received {images.shape}"
            )
        if images.dtype not in (np.uint8, np.float32):
            raise InputError(f"{self.path}: takes uint8 or float32, received {images.dtype}")
        return self._run(images)


def load(path: str | os.PathLike[str], threads: int | None = None) -> Runtime:
    """Load a file that `lrl_keras.export` or another program wrote.

    Where the export's `PATH.json` lies beside it, the file must have the SHA-256 named there.

    Args:
        path: an `.onnx`, `.tflite` or OpenVINO `.xml` file, the folder of a SavedModel, or a
            folder of numbered SavedModels, whose highest is taken.
        threads: processor cores to use. Defaults to all.

    Returns:
        `Runtime`.

    Raises:
        InputError: there is no such file, it is damaged or of another kind, or its runtime is
            not installed.
    """
    path = os.fspath(path)
    kind, file = _kind(path)
    _compare_with_report(file)
    try:
        module = importlib.import_module(kind.runtime)
    except ImportError as error:
        raise InputError(
            f"{path}: needs {kind.runtime} ({error}); {how_to_install('export')}"
        ) from None
    try:
        shape, outputs, run = kind.load(module, file, threads or cores())
    except InputError:
        raise
    except Exception as error:  # Each runtime raises types of its own.
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path}: cannot be loaded ({reason}); export it again") from error
    return Runtime(file, kind.name, shape, tuple(sorted(outputs, key=OUTPUTS.index)), run)


def _compare_with_report(file):
    """Refuse a file whose checksum is not that of its export's report; most damage still loads."""
    try:
        report = json.loads(Path(f"{file}.json").read_text(encoding="utf-8"))
        checksums = dict(report["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # Not from an export, or moved without its report.
    for name, checksum in checksums.items():
        part = os.path.join(os.path.dirname(file), name)
        if os.path.isfile(part) and files.sha256(part) != checksum:
            raise InputError(
                f"{part}: damaged, its checksum is not the one in {file}.json; export it again"
            )


def _kind(path):
    """Return the `Format` of `path`, and the file or folder to load."""
    endings = {kind.ending: kind for kind in FORMATS.values() if kind.ending}
    if os.path.isdir(path):
        versions = sorted((int(name), name) for name in os.listdir(path) if name.isdecimal())
        folder = os.path.join(path, versions[-1][1]) if versions else path
        for kind in FORMATS.values():
            if kind.marker and os.path.isfile(os.path.join(folder, kind.marker)):
                return kind, folder
        there = [str(file) for file in sorted(Path(path).iterdir()) if file.suffix in endings]
        remedy = f"name one of {', '.join(there)}" if there else "make one with lrl-keras export"
        raise InputError(f"{path}: holds no SavedModel; {remedy}")
    if not os.path.exists(path):
        raise InputError(f"{path}: no such file; make it with lrl-keras export")
    kind = endings.get(Path(path).suffix)
    if kind is None:
        raise InputError(f"{path}: expected a SavedModel's folder, {', '.join(endings)}")
    return kind, path


def main(argv: Sequence[str]) -> None:
    """Run FILE on the arrays of INPUTS (.npz), each one batch, and write OUTPUTS (.npz).

    The arrays written are called `INPUT/OUTPUT`.
    """
    file, inputs, outputs = argv
    runtime = load(file)
    found: dict[str, Any] = {}
    with np.load(inputs) as batches:
        for batch in batches.files:
            for name, value in runtime(batches[batch]).items():
                found[f"{batch}/{name}"] = value
    np.savez(outputs, **found)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(str(error))
