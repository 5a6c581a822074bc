"""OpenVINO's intermediate representation: an .xml file, and its weights in a .bin beside it."""

import dataclasses
import os
import tempfile

import openvino

from lrl_keras.export import onnx


def write(form, file, chosen, calibration):
    """Write an OpenVINO model by way of ONNX.

    Args:
        form: model of `inference_form`.
        file: path to write, ending in `.xml`.
        chosen: `lrl_keras.export.chosen.Chosen`.
        calibration: `Calibration` for int8.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        halves = chosen.quantize == "float16"
        onnx.write(
            form,
            path,
            dataclasses.replace(chosen, quantize="none") if halves else chosen,
            calibration,
        )
        model = openvino.convert_model(path)
        openvino.save_model(model, file, compress_to_fp16=halves)
