"""Exported networks on their own runtimes, behind one small interface.

Nothing here knows Keras or the network: what `lrl_keras.export` writes is loaded as a stranger
would load it. `python -m lrl_keras.saving.runtimes FILE INPUTS OUTPUTS` runs a file in a process
of its own.
"""

import concurrent.futures
import contextlib
import dataclasses
import importlib
import json
import os
import queue
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.system import files
from lrl_keras.system.hardware import cores

FORMATS = ("saved_model", "tflite", "onnx", "openvino")
OUTPUTS = ("label", "similarity", "mask")

_PACKAGES = {
    "saved_model": "tensorflow",
    "tflite": "ai_edge_litert",
    "onnx": "onnxruntime",
    "openvino": "openvino",
}
_ENDINGS = {".tflite": "tflite", ".onnx": "onnx", ".xml": "openvino"}


@dataclasses.dataclass(frozen=True)
class Runtime:
    """An exported network that answers.

    Called with `images`, uint8 or float32 (B, S, S, 3), RGB, 0..255, it returns a dict of float32
    arrays: `"label"` (B, 1) and, where the file has them, `"similarity"` (B, k², k²) and `"mask"`
    (B, S, S, 1). It may be called from several threads.

    Attributes:
        path: the file, or for a SavedModel the folder.
        format: one of `FORMATS`.
        image_size: S, pixels.
        outputs: names of what it returns.
    """

    path: str
    format: str
    image_size: int
    outputs: tuple[str, ...]
    _run: Callable = dataclasses.field(repr=False)

    def __call__(self, images):
        images = np.asarray(images)
        expected = (self.image_size, self.image_size, 3)
        if images.ndim != 4 or images.shape[1:] != expected or not len(images):
            raise InputError(
                f"{self.path}: takes images of shape (B, {', '.join(map(str, expected))}), "
                f"received {images.shape}"
            )
        if images.dtype not in (np.uint8, np.float32):
            raise InputError(f"{self.path}: takes uint8 or float32, received {images.dtype}")
        return self._run(images)


def load(path, threads=None):
    """Load what `lrl_keras.export` wrote, and what of the same kind others wrote.

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
        module = importlib.import_module(_PACKAGES[kind])
    except ImportError as error:
        raise InputError(
            f"{path}: needs {_PACKAGES[kind]} ({error}); pip install 'lrl-keras[export]'"
        ) from None
    try:
        size, outputs, run = _LOADERS[kind](module, file, threads or cores())
    except InputError:
        raise
    except Exception as error:  # Each runtime has its own.
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise InputError(f"{path}: cannot be loaded ({reason}); export it again") from error
    return Runtime(file, kind, size, tuple(sorted(outputs, key=OUTPUTS.index)), run)


def _compare_with_report(file):
    """Refuse a file that is no more what its export's report says; most damage still loads."""
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
    """The format of what lies at `path`, and the file or folder to load."""
    if os.path.isdir(path):
        versions = sorted((int(name), name) for name in os.listdir(path) if name.isdecimal())
        folder = os.path.join(path, versions[-1][1]) if versions else path
        if os.path.isfile(os.path.join(folder, "saved_model.pb")):
            return "saved_model", folder
        raise InputError(f"{path}: holds no SavedModel; name a file or folder of lrl-keras export")
    kind = _ENDINGS.get(Path(path).suffix)
    if kind is None:
        raise InputError(f"{path}: expected a SavedModel's folder, {', '.join(_ENDINGS)}")
    if not os.path.isfile(path):
        raise InputError(f"{path}: no such file; make it with lrl-keras export")
    return kind, path


def _load_saved_model(tf, folder, threads):
    # An operation on one core: images, or the two streams of one image, are on the others. What a
    # process has computed with before keeps its threads.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(folder)
    signature = _signature(folder, loaded)
    (spec,) = signature.structured_input_signature[1].values()
    (name,) = signature.structured_input_signature[1]

    def run_on(images):
        # Held by this function, for the signature alone does not keep its graph alive.
        found = loaded.signatures["serving_default"](
            **{name: tf.constant(images.astype(spec.dtype.as_numpy_dtype))}
        )
        return {name: value.numpy() for name, value in found.items()}

    return spec.shape[1], signature.structured_outputs, _split(run_on, run_on, threads)


def _signature(folder, loaded):
    try:
        return loaded.signatures["serving_default"]
    except KeyError:
        raise InputError(f"{folder}: has no signature serving_default; export it again") from None


def _load_tflite(litert, file, threads):
    from ai_edge_litert.interpreter import Interpreter

    def interpreter(count):
        made = Interpreter(model_path=file, num_threads=count)
        made.allocate_tensors()
        return made

    def signature(made):
        return made.get_signature_runner("serving_default")

    first = interpreter(1)
    (details,) = signature(first).get_input_details().values()
    (name,) = signature(first).get_input_details()
    outputs = tuple(signature(first).get_output_details())
    # An interpreter belongs to one thread at a time (github.com/google-ai-edge/LiteRT).
    alone = _Pool([interpreter(threads)])
    side_by_side = _Pool([first, *(interpreter(1) for _ in range(threads - 1))])

    def run_on(pool, images):
        with pool.one() as made:
            found = signature(made)(**{name: images.astype(details["dtype"])})
            return {name: np.array(value) for name, value in found.items()}

    run = _split(
        lambda images: run_on(alone, images), lambda image: run_on(side_by_side, image), threads
    )
    return int(details["shape"][1]), outputs, run


def _load_onnx(onnxruntime, file, threads):
    def session(count):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = count
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(file, options, ["CPUExecutionProvider"])

    alone = session(threads)
    # Weights are held twice for this; an image is then never handed from core to core.
    side_by_side = session(1) if threads > 1 else alone
    (entry,) = alone.get_inputs()
    dtype = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}[entry.type]
    names = [output.name for output in alone.get_outputs()]

    def run_on(session, images):
        found = session.run(None, {entry.name: images.astype(dtype, copy=False)})
        return dict(zip(names, found, strict=True))

    run = _split(
        lambda images: run_on(alone, images), lambda image: run_on(side_by_side, image), threads
    )
    return entry.shape[1], names, run


def _load_openvino(openvino, file, threads):
    core = openvino.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = core.read_model(file)
    alone = core.compile_model(model, "CPU", {**settings, "NUM_STREAMS": 1})
    side_by_side = core.compile_model(model, "CPU", {**settings, "NUM_STREAMS": threads})
    (entry,) = alone.inputs
    names = [output.get_any_name() for output in alone.outputs]

    def run_on(compiled, images):
        request = compiled.create_infer_request()
        request.infer({0: images.astype(entry.element_type.to_dtype(), copy=False)})
        return {name: request.get_tensor(name).data.copy() for name in names}

    run = _split(
        lambda images: run_on(alone, images), lambda image: run_on(side_by_side, image), threads
    )
    return entry.partial_shape[1].get_length(), names, run


_LOADERS = {
    "saved_model": _load_saved_model,
    "tflite": _load_tflite,
    "onnx": _load_onnx,
    "openvino": _load_openvino,
}


class _Pool:
    """Things of which each is used by one thread at a time."""

    def __init__(self, things):
        self._free = queue.SimpleQueue()
        for thing in things:
            self._free.put(thing)

    @contextlib.contextmanager
    def one(self):
        thing = self._free.get()
        try:
            yield thing
        finally:
            self._free.put(thing)


def _split(alone, side_by_side, threads):
    """Run one image on all cores, and of several each on a core of its own.

    Faster than one batch on all cores: the maps of one image stay in the core's cache, and no
    thread waits for another inside the network.
    """
    workers = concurrent.futures.ThreadPoolExecutor(threads, "lrl_keras") if threads > 1 else None

    def run(images):
        if workers is None or len(images) == 1:
            parts = [alone(images[index : index + 1]) for index in range(len(images))]
        else:
            parts = list(workers.map(side_by_side, np.split(images, len(images))))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return run


def main(argv):
    """Run FILE on the arrays of INPUTS (.npz), each one batch, and write OUTPUTS (.npz).

    The arrays written are called `INPUT/OUTPUT`.
    """
    file, inputs, outputs = argv
    runtime = load(file)
    found = {}
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
