"""OpenVINO files, an .xml and a .bin."""

from lrl_keras.saving.formats import onnx
from lrl_keras.saving.formats.format import Format, split


def _load(openvino, file, threads):
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

    run = split(
        lambda images: run_on(alone, images), lambda image: run_on(side_by_side, image), threads
    )
    return tuple(side.get_length() for side in list(entry.partial_shape)[1:]), names, run


FORMAT = Format(
    name="openvino",
    runtime="openvino",
    load=_load,
    writer="lrl_keras.export.openvino",
    packages={**onnx.FORMAT.packages, "openvino": "openvino"},
    ending=".xml",
)
