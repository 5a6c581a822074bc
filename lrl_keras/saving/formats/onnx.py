"""ONNX files, on ONNX Runtime."""

import numpy as np

from lrl_keras.saving.formats.format import Format, split


def _load(onnxruntime, file, threads):
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

    run = split(
        lambda images: run_on(alone, images), lambda image: run_on(side_by_side, image), threads
    )
    return tuple(entry.shape[1:]), names, run


FORMAT = Format(
    name="onnx",
    runtime="onnxruntime",
    load=_load,
    writer="lrl_keras.export.onnx",
    packages={"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"},
    ending=".onnx",
)
