"""OpenVINO's intermediate representation: an .xml file, and its weights in a .bin beside it."""

import os
import tempfile

import openvino

from lrl_keras.export import onnx


def write(form, file, about, calibration):
    """Write an OpenVINO model by way of ONNX.

    Args:
        form: what `inference_form` gives.
        file: path to write, ending in `.xml`.
        about: dict with `image_size`, `input_type` and `quantize`.
        calibration: `Calibration` for int8.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        halves = about["quantize"] == "float16"
        onnx.write(form, path, {**about, "quantize": "none"} if halves else about, calibration)
        model = openvino.convert_model(path)
        openvino.save_model(model, file, compress_to_fp16=halves)
