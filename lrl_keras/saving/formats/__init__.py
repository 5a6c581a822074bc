"""Formats of exported files, one file each."""

from lrl_keras.saving.formats import onnx, openvino, saved_model, tflite
from lrl_keras.saving.formats.format import Format

FORMATS = {module.FORMAT.name: module.FORMAT for module in (saved_model, tflite, onnx, openvino)}

__all__ = ["FORMATS", "Format"]
