"""SavedModels for TensorFlow Serving."""

import os

import keras
import numpy as np
import tensorflow as tf

from lrl_keras.export import decode_graph
from lrl_keras.export.graph import function
from lrl_keras.system import files

NAME = "lrl"
MAX_BATCH = 8
_WARMED_UP = (1, MAX_BATCH)

_MODELS = f"""# For tensorflow_model_server --model_config_file
model_config_list {{
  config {{
    name: "{NAME}"
    base_path: "/models/{NAME}"
    model_platform: "tensorflow"
  }}
}}
"""
_BATCHING = f"""# For tensorflow_model_server --enable_batching --batching_parameters_file
max_batch_size {{ value: {MAX_BATCH} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 64 }}
num_batch_threads {{ value: 2 }}
"""


def write(form, folder, chosen, calibration):
    """Write a SavedModel that needs nothing but TensorFlow.

    Its signatures: `serving_default`, images in; `serve_bytes`, encoded JPEG or PNG face crops
    in; `label_only`, images in and the label alone out. Of sequences there is no `serve_bytes`.

    Args:
        form: model of `inference_form`.
        folder: the folder to make.
        chosen: `lrl_keras.export.chosen.Chosen`.
        calibration: not used.
    """
    run = function(_with_constants(form, halved=chosen.quantize == "float16"), chosen)
    images = run.input_signature[0]

    def from_bytes(image_bytes):
        faces = tf.map_fn(
            lambda contents: decode_graph.face(contents, chosen.crop_size, chosen.image_size),
            image_bytes,
            fn_output_signature=tf.TensorSpec(images.shape[1:], tf.uint8),
        )
        return run(tf.cast(faces, images.dtype))

    strings = tf.TensorSpec((None,), tf.string, name="image_bytes")
    # Grappler leaves out of `label_only` what the label does not need.
    signatures = {
        "serving_default": run,
        "label_only": tf.function(
            lambda images: {"label": run(images)["label"]}, input_signature=[images]
        ),
    }
    if chosen.frames == 1:
        signatures["serve_bytes"] = tf.function(from_bytes, input_signature=[strings])
    tf.saved_model.save(
        tf.Module(),
        folder,
        {name: one.get_concrete_function() for name, one in signatures.items()},
        # The custom gradient of swish is of use in training alone, and cannot be written.
        tf.saved_model.SaveOptions(experimental_custom_gradients=False),
    )
    _write_warmup(folder, images, signatures)


def write_configs(folder):
    """Write the configuration files of TensorFlow Serving that are not there yet."""
    for name, text in (("models.config", _MODELS), ("batching.config", _BATCHING)):
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            files.write_text(path, text)


def _with_constants(form, halved):
    """Return `form` as a function with its weights as constants of the graph.

    oneDNN, TensorFlow's library on most processors, reorders the constants of its convolutions
    once. Variables it would reorder for every image, in half of its time.
    """
    stored = np.float16 if halved else np.float32
    values = [
        [keras.ops.convert_to_numpy(variable).astype(stored) for variable in variables]
        for variables in (form.trainable_variables, form.non_trainable_variables)
    ]

    def run(images, training=False):
        constants = [[tf.cast(tf.constant(value), tf.float32) for value in some] for some in values]
        outputs, _ = form.stateless_call(*constants, images, training=training)
        return outputs

    return run


def _write_warmup(folder, images, signatures):
    """Write the requests that TensorFlow Serving sends itself before it says that it is ready."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    extra = os.path.join(folder, "assets.extra")
    os.makedirs(extra)
    gray = np.full(images.shape[1:], 127, images.dtype.as_numpy_dtype)
    inputs = {"serving_default": ("images", gray), "label_only": ("images", gray)}
    if "serve_bytes" in signatures:
        png = tf.io.encode_png(gray.astype(np.uint8)).numpy()
        inputs["serve_bytes"] = "image_bytes", np.array(png, object)
    with tf.io.TFRecordWriter(os.path.join(extra, "tf_serving_warmup_requests")) as writer:
        for count in _WARMED_UP:
            for signature, (name, value) in inputs.items():
                request = predict_pb2.PredictRequest()
                request.model_spec.name = NAME
                request.model_spec.signature_name = signature
                request.inputs[name].CopyFrom(tf.make_tensor_proto(np.stack([value] * count)))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())
