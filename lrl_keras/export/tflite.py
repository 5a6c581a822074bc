"""TFLite files for LiteRT."""

import warnings

import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from lrl_keras.export.graph import KEPT, function
from lrl_keras.system.quiet import without_standard_error

# The converter's name for the results of the whole network.
_RESULTS = "StatefulPartitionedCall"


def write(form, file, chosen, calibration):
    """Write a TFLite file of LiteRT's own operations, with the signature `serving_default`.

    Args:
        form: model of `inference_form`.
        file: path to write.
        chosen: `lrl_keras.export.chosen.Chosen`.
        calibration: `Calibration` for int8.
    """
    run = function(form, chosen).get_concrete_function()
    module = tf.Module()
    module.weights = [variable.value for variable in form.variables]
    # The converter writes to standard error past Python and its own log level, and warns that its
    # own interpreter is deprecated, which no exported file uses.
    with without_standard_error(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = _convert(run, module, chosen, calibration)
    with open(file, "wb") as target:
        target.write(content)


def _convert(run, module, chosen, calibration):
    def converter():
        made = tf.lite.TFLiteConverter.from_concrete_functions([run], module)
        # None of TensorFlow's own ("Flex") operations, which a LiteRT on a telephone lacks.
        made.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return made

    plain = converter()
    if chosen.quantize == "float16":
        plain.optimizations = [tf.lite.Optimize.DEFAULT]
        plain.target_spec.supported_types = [tf.float16]
    content = plain.convert()
    if chosen.quantize != "int8":
        return content

    def faces():
        for face in calibration.faces:
            yield [face[None].astype(chosen.input_type)]

    quantized = converter()
    quantized.optimizations = [tf.lite.Optimize.DEFAULT]
    quantized.representative_dataset = faces
    kept = [name for name in _names(content) if KEPT.search(name) or _RESULTS in name]
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=kept)
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=quantized, debug_dataset=faces, debug_options=options
    )
    return debugger.get_nondebug_quantized_model()


def _names(content):
    """Return the names of the results of all operations, by which the converter knows them."""
    interpreter = Interpreter(model_content=content)
    names = {tensor["index"]: tensor["name"] for tensor in interpreter.get_tensor_details()}
    return [names[index] for op in interpreter._get_ops_details() for index in op["outputs"]]
