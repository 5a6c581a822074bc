"""The TensorFlow function that every format is made of."""

import tensorflow as tf


def function(form, about):
    """`form` as a function of images of the type that the file is to take.

    Args:
        form: what `inference_form` gives.
        about: dict with `image_size` and `input_type`.

    Returns:
        `tf.function` of one tensor, `images` (B, S, S, 3), to a dict of float32 tensors.
    """
    side = about["image_size"]
    spec = tf.TensorSpec((None, side, side, 3), about["input_type"], name="images")

    @tf.function(input_signature=[spec])
    def run(images):
        return form(tf.cast(images, tf.float32), training=False)

    return run
