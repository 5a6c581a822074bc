"""SavedModels, on TensorFlow."""

import contextlib

from lrl_keras.errors import InputError
from lrl_keras.saving.formats.format import Format, split


def _load(tf, folder, threads):
    # An operation runs on one core; other images, or the other stream of the same image, run on
    # the others. A process that has computed already keeps its threads.
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

    shape = tuple(spec.shape[1:])
    return shape, signature.structured_outputs, split(run_on, run_on, threads)


def _signature(folder, loaded):
    try:
        return loaded.signatures["serving_default"]
    except KeyError:
        raise InputError(f"{folder}: has no signature serving_default; export it again") from None


FORMAT = Format(
    name="saved_model",
    runtime="tensorflow",
    load=_load,
    writer="lrl_keras.export.saved_model",
    packages={"tensorflow_serving": "tensorflow-serving-api"},
    marker="saved_model.pb",
    int8=False,
)
