"""Export of a model to a checked file: build, write, run elsewhere, compare, rename."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import json
import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lrl_keras.errors import InputError, how_to_install
from lrl_keras.export import parity
from lrl_keras.export.calibration import Calibration
from lrl_keras.export.chosen import Chosen
from lrl_keras.export.folding import OUTPUTS, inference_form
from lrl_keras.saving import runtimes
from lrl_keras.saving.formats import FORMATS
from lrl_keras.saving.run import versions
from lrl_keras.system import files

if TYPE_CHECKING:
    from lrl_keras.data import Records
    from lrl_keras.models import Detector

QUANTIZATIONS = ("none", "float16", "int8")
INPUT_TYPES = ("float32", "uint8")


def export(
    model: Detector,
    out: str | os.PathLike[str],
    format: str = "saved_model",
    *,
    outputs: str = "all",
    quantize: str = "none",
    input_type: str = "float32",
    calibration: str | os.PathLike[str] | Records | None = None,
) -> str:
    """Write a trained network for another runtime, run it there, and compare.

    The network is rebuilt in float32 from its configuration and weights; the frequency image is
    computed inside, so that the RGB face is the only input. The file is then loaded by its own
    runtime in a fresh process and answers for 1, 3 and 8 faces; where it differs too much from
    the Keras model nothing is left behind. Beside it `PATH.json` says what was written and how
    much it differs.

    Args:
        model: one of `lrl_keras.models.DETECTORS`, as `lrl_keras.load` gives it.
        out: folder, made where it is missing; or for all but a SavedModel a file that ends in
            `.tflite`, `.onnx` or `.xml`. A SavedModel becomes the next version, `out/1`, `out/2`,
            ..., with `out/models.config` and `out/batching.config` for TensorFlow Serving.
        format: one of `FORMATS`.
        outputs: `"all"`, or `"label"` to leave out mask and similarity: no decoder is computed.
        quantize: `"none"`; `"float16"`: weights of half the size; `"int8"`: convolutions of whole
            numbers, for all formats but the SavedModel.
        input_type: `"float32"` or `"uint8"`, what the file takes; RGB 0..255 either way.
        calibration: folder of records, for `quantize="int8"`: ranges are measured on faces of its
            train split, and the AUC on another split may not fall by more than 0.01.

    Returns:
        path of the file, or of the SavedModel's folder, as a string.

    Raises:
        InputError: an argument is wrong, a package is missing, the place cannot be written, or
            the file's answers differ from the model's.
    """
    for name, value, choices in (
        ("format", format, FORMATS),
        ("outputs", outputs, OUTPUTS),
        ("quantize", quantize, QUANTIZATIONS),
        ("input_type", input_type, INPUT_TYPES),
    ):
        if value not in choices:
            raise InputError(f"{name} must be one of {', '.join(choices)}. Received: {value!r}")
    kind = FORMATS[format]
    for form in (format, quantize):
        if form in model.NOT_EXPORTED:
            raise InputError(f"{model.NAME} as {form}: {model.NOT_EXPORTED[form]}")
    if quantize == "int8" and not kind.int8:
        having = ", ".join(name for name, each in FORMATS.items() if each.int8)
        raise InputError(f"{format} has no int8; choose one of {having}")
    if quantize == "int8" and model.frames > 1:
        raise InputError(
            f"int8 is calibrated on single faces; {model.NAME} takes sequences of {model.frames}: "
            "choose none or float16"
        )
    if (quantize == "int8") != (calibration is not None):
        raise InputError(
            "int8, and nothing else, needs records to calibrate it: `calibration=RECORDS`"
        )
    writer = _writer(kind)
    name = "model" + ("-label" if outputs == "label" else "")
    name += {"none": "", "float16": "-float16", "int8": "-int8"}[quantize]
    place, is_new = _place(out, kind, name)

    reference = inference_form(model, outputs, fold=False)
    form = inference_form(model, outputs)
    chosen = Chosen(
        image_size=model.image_size,
        crop_size=model.crop_size,
        outputs=tuple(name for name in runtimes.OUTPUTS if name in form.output),
        input_type=input_type,
        quantize=quantize,
        frames=model.frames,
    )
    with _scratch(os.path.dirname(place), is_new) as scratch:
        measured = None if calibration is None else Calibration.of(calibration, model.image_size)
        written = os.path.join(scratch, os.path.basename(place))
        writer.write(form, written, chosen, measured)
        report = {
            "format": format,
            **dataclasses.asdict(chosen),
            "detector": model.NAME,
            "model": model.get_config(),
            "weights_sha256": _fingerprint(model),
            "versions": {**versions(), **_versions(kind)},
            **parity.check(reference, written, chosen, measured),
        }
        report["sha256"] = {
            os.path.relpath(file, scratch): files.sha256(file) for file in _files(scratch)
        }
        _put(scratch, written, place, report)
    if hasattr(writer, "write_configs"):
        writer.write_configs(os.path.dirname(place))
    return place


def finished(out: str | os.PathLike[str], model: Detector) -> str | None:
    """Return the path of an earlier export of the same network and versions, or `None`.

    Args:
        out: folder of exports.
        model: one of `lrl_keras.models.DETECTORS`.
    """
    if not os.path.isdir(out):
        return None
    for path in sorted(Path(out).glob("*.json"), reverse=True):
        place = str(path).removesuffix(".json")
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            same = report["weights_sha256"] == _fingerprint(model) and all(
                metadata.version(name) == version for name, version in report["versions"].items()
            )
        except (KeyError, OSError, TypeError, ValueError, metadata.PackageNotFoundError):
            continue
        if same and os.path.exists(place):
            return place
    return None


def _fingerprint(model):
    """Return the SHA-256 of a network's configuration and weights."""
    digest = hashlib.sha256(json.dumps(model.get_config(), sort_keys=True).encode())
    for value in model.get_weights():
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _writer(kind):
    for name, package in kind.packages.items():
        try:
            importlib.import_module(name)
        except ImportError:
            raise InputError(f"{kind.name} needs {package}; {how_to_install('export')}") from None
    return importlib.import_module(kind.writer)


def _place(out, kind, name):
    """Return the path of the result, and whether its folder is new."""
    out = os.path.abspath(os.fspath(out)) if not files.is_url(out) else os.fspath(out)
    if files.is_url(out):
        raise InputError(f"{out}: exports go to a folder on this machine; copy the result")
    ending, suffix = kind.ending, Path(out).suffix
    if suffix and suffix in {each.ending for each in FORMATS.values()}:
        if suffix != ending:
            fitting = ending or "the name of a folder"
            raise InputError(f"{out}: does not fit format={kind.name!r}; give {fitting}")
        folder, name = os.path.split(out)
    elif ending:
        folder, name = out, name + ending
    else:
        folder, name = out, None
    is_new = not os.path.isdir(folder)
    files.make_folder(folder)
    if name is None:
        versions = [int(version) for version in os.listdir(folder) if version.isdecimal()]
        name = str(max(versions, default=0) + 1)
    return os.path.join(folder, name), is_new


@contextlib.contextmanager
def _scratch(folder, is_new):
    """Make a hidden folder within `folder`, which goes with it if it is new and stays empty."""
    try:
        scratch = tempfile.mkdtemp(prefix=".export-", dir=folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):
                os.rmdir(folder)


def _files(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def _put(scratch, written, place, report):
    """Move the files of an export to their place, the one that `place` names last."""
    files.write_json(f"{place}.json", report)
    if os.path.isdir(written):
        os.rename(written, place)
        return
    for path in _files(scratch):
        if str(path) != written:
            os.replace(path, os.path.join(os.path.dirname(place), path.name))
    os.replace(written, place)


def _versions(kind):
    return {package: metadata.version(package) for package in kind.packages.values()}
