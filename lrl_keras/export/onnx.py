"""ONNX files for ONNX Runtime."""

import collections
import contextlib
import gc
import logging
import os
import tempfile

import numpy as np
import onnx
import tf2onnx
from onnx import helper, numpy_helper
from onnxruntime import quantization

from lrl_keras.export.graph import KEPT, function

_OPSET = 18
# Entries from which on a weight is worth storing in float16.
_LARGE = 256
# Clip and Relu become part of the range of the convolution before them. Left out, they would be
# computed in float32, and the 8 bits before them be spent on values that they cut off.
_QUANTIZED = ["Conv", "Clip", "Relu", "Mul", "Sigmoid", "Add", "Concat"]


def write(form, file, chosen, calibration):
    """Write an ONNX file with one input, `images`, and an output for each of the model's.

    Args:
        form: model of `inference_form`.
        file: path to write.
        chosen: `lrl_keras.export.chosen.Chosen`.
        calibration: `Calibration` for int8.
    """
    model = _convert(form, chosen)
    if chosen.quantize == "float16":
        _halve_weights(model.graph)
    if chosen.quantize == "int8":
        model = _quantized(model, chosen, calibration)
    onnx.checker.check_model(model)
    onnx.save(model, file)


def _convert(form, chosen):
    run = function(form, chosen)
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    with _collecting_often():
        model, _ = tf2onnx.convert.from_function(run, run.input_signature, opset=_OPSET)
    _tidy(model)
    return model


@contextlib.contextmanager
def _collecting_often():
    """Collect garbage early for as long as the context lasts.

    Each of tf2onnx's passes leaves a copy of the graph in cycles, weights included: 13 GB with
    Xception until Python's collector, which counts objects and not their size, takes notice.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(before[0], before[1], 2)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        gc.collect()


def _halve_weights(graph):
    """Store the weights in float16; the runtime makes float32 of them once, when it loads."""
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _LARGE:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}/half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def _quantized(model, chosen, calibration):
    """Compute convolutions and the operations between them in 8 bits, scaled by the faces seen."""
    kept = [
        node.name
        for node in model.graph.node
        if KEPT.search(node.name) or any(map(KEPT.search, node.output))
    ]
    with tempfile.TemporaryDirectory() as folder, _without_advice():
        source, target = (os.path.join(folder, name) for name in ("float.onnx", "int8.onnx"))
        onnx.save(model, source)
        quantization.quantize_static(
            source,
            target,
            _Faces(calibration.faces.astype(chosen.input_type)),
            op_types_to_quantize=_QUANTIZED,
            per_channel=True,
            # Without VNNI instructions sums of 8-bit products overflow 16 bits; of 7-bit ones not.
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            nodes_to_exclude=kept,
        )
        return onnx.load(target)


@contextlib.contextmanager
def _without_advice():
    """Silence ONNX Runtime's advice to optimise the graph first, which has been done."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


class _Faces(quantization.CalibrationDataReader):
    def __init__(self, faces):
        self._faces = iter(faces)

    def get_next(self):
        face = next(self._faces, None)
        return None if face is None else {"images": face[None]}


def _tidy(model):
    """Simplify the graph where ONNX Runtime's optimiser does not."""
    _name_by_layer(model.graph)
    _scale_planes(model.graph)
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _name_by_layer(graph):
    """Put the name of the layer before names that tf2onnx made up, so that profiles have it."""
    results = {output.name for output in graph.output}
    renamed = {}
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        layer = next(("/".join(n.split("/")[:2]) for n in node.input if n.count("/") > 1), None)
        if "/" in node.name or layer is None:
            continue
        node.name = f"{layer}/{node.name}"
        for index, name in enumerate(node.output):
            if name not in results and "/" not in name:
                node.output[index] = renamed[name] = f"{layer}/{name}"


def _scale_planes(graph):
    """Scale RGB plane by plane, behind the transpose: three numbers a pixel make slow vectors.

    An image takes ONNX Runtime 41.4 ms instead of 44.6 with it (EfficientNet-Lite0, 320 pixels),
    9.4 instead of 10.8 (MobileNetV3-Small, 224 pixels), on one core of an Intel Sapphire Rapids.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    readers = collections.Counter(name for node in graph.node for name in node.input)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for transpose in [node for node in graph.node if node.op_type == "Transpose"]:
        chain, name = [], transpose.input[0]
        while (
            (node := made_by.get(name)) is not None
            and node.op_type in ("Mul", "Add")
            and readers[name] == 1
            and node.input[1] in constants
            and constants[node.input[1]].dims == [3]
        ):
            chain.append(node)
            name = node.input[0]
        if not chain or helper.get_node_attr_value(transpose, "perm") != [0, 3, 1, 2]:
            continue
        result, transpose.input[0] = transpose.output[0], name
        transpose.output[0] = name = f"{result}/planes"
        for node in reversed(chain):
            planes = numpy_helper.to_array(constants[node.input[1]]).reshape(3, 1, 1)
            graph.initializer.append(
                numpy_helper.from_array(planes, f"{node.input[1]}/{node.output[0]}/planes")
            )
            node.input[0], node.input[1] = name, graph.initializer[-1].name
            node.output[0] = name = f"{node.output[0]}/planes"
        chain[0].output[0] = result
        # Nodes stand in the order in which they are computed.
        at = list(graph.node).index(chain[-1])
        graph.node.remove(transpose)
        graph.node.insert(at, transpose)
