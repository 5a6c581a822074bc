"""The network that is served: its name and version, its signatures and inputs."""

import dataclasses
import json
import os
import re
from pathlib import Path

import numpy as np

from lrl_keras.errors import InputError

# Input of each signature, as `lrl_keras.export` writes them into a SavedModel.
SIGNATURES = {"serving_default": "images", "serve_bytes": "image_bytes", "label_only": "images"}
DEFAULT = "serving_default"

_TYPES = {"float32": "DT_FLOAT", "uint8": "DT_UINT8"}


@dataclasses.dataclass(frozen=True)
class Network:
    """A runtime and its properties.

    Attributes:
        run: uint8 or float32 (B, S, S, 3), RGB, 0..255 -> dict of float32 arrays (B, ...).
        name: of the model in the paths.
        version: of the model, the number of a SavedModel's folder, else 1.
        image_size: S, pixels.
        crop_size: side in pixels to which faces are resized first, as training did it.
        input_type: `"float32"` or `"uint8"`; the latter takes whole numbers alone.
        shapes: dict of output name to its shape without the batch.
    """

    run: object
    name: str
    version: int
    image_size: int
    crop_size: int
    input_type: str
    shapes: dict

    @classmethod
    def of(cls, runtime, name):
        """Wrap a `lrl_keras.saving.runtimes.Runtime`, which is run once.

        Raises:
            InputError: it does not run, the report beside it is damaged, or the name cannot stand
                in a path.
        """
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
            raise InputError(
                f"name must consist of letters, digits, '_', '-' and '.'. Received: {name!r}"
            )
        # What is called like a runtime may know its side alone.
        if len(getattr(runtime, "shape", ())) == 4:
            raise InputError(
                f"{runtime.path}: takes sequences of {runtime.shape[0]} faces, and requests hold "
                "single ones; run it with `lrl_keras.saving.runtimes.load`"
            )
        about = _about(runtime.path)
        size = runtime.image_size
        try:
            found = runtime(np.zeros((1, size, size, 3), np.uint8))
        except Exception as error:  # Each runtime has its own.
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            raise InputError(
                f"{runtime.path}: cannot be run ({reason}); export it again"
            ) from error
        return cls(
            run=runtime,
            name=name,
            version=_version(runtime.path),
            image_size=size,
            crop_size=about.get("crop_size", size),
            input_type=about.get("input_type", "float32"),
            shapes={output: found[output].shape[1:] for output in runtime.outputs},
        )

    def outputs(self, signature):
        """Return the names of a signature's outputs, in order."""
        return ("label",) if signature == "label_only" else tuple(self.shapes)

    def status(self, state):
        """Answer `GET /v1/models/NAME`.

        Args:
            state: `"AVAILABLE"` or `"END"`.
        """
        status = {"error_code": "OK", "error_message": ""}
        version = {"version": str(self.version), "state": state, "status": status}
        return {"model_version_status": [version]}

    def metadata(self):
        """Answer `GET /v1/models/NAME/metadata`."""
        spec = {"name": self.name, "signature_name": "", "version": str(self.version)}
        signatures = {
            signature: {
                "inputs": {entry: self._input(entry)},
                "outputs": {
                    output: _tensor(output, "DT_FLOAT", self.shapes[output])
                    for output in self.outputs(signature)
                },
                "method_name": "tensorflow/serving/predict",
            }
            for signature, entry in SIGNATURES.items()
        }
        return {
            "model_spec": spec,
            "metadata": {"signature_def": {"signature_def": signatures}},
        }

    def _input(self, name):
        if name == "image_bytes":
            return _tensor(name, "DT_STRING", ())
        shape = (self.image_size, self.image_size, 3)
        return _tensor(name, _TYPES[self.input_type], shape)


def _tensor(name, dtype, shape):
    # An int64 is a string in the JSON of protocol buffers.
    dimensions = [{"size": str(size), "name": ""} for size in (-1, *shape)]
    return {
        "dtype": dtype,
        "tensor_shape": {"dim": dimensions, "unknown_rank": False},
        "name": name,
    }


def _version(path):
    folder = Path(path).name
    return int(folder) if folder.isdecimal() and os.path.isdir(path) else 1


def _about(path):
    """Read the report of `lrl_keras.export` beside the file; `{}` where there is none."""
    note = f"{path}.json"
    try:
        with open(note, encoding="utf-8") as file:
            about = json.load(file)
        if about.get("input_type", "float32") not in _TYPES:
            raise ValueError(f"input_type is {about['input_type']!r}")
        if not isinstance(about.get("crop_size", 1), int):
            raise ValueError(f"crop_size is {about['crop_size']!r}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{note}: cannot be read ({reason}); export the network again") from None
    return about
