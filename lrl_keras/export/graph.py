"""The TensorFlow function that every format is made of."""

import re

import tensorflow as tf

# Names of what is not quantised: the frequency filter, whose small differences are the point, the
# cosine of the patches, and what follows from it; the X-ray with its mean; F3-Net's bands and their
# logarithms; residuals and the statistics of maps.
KEPT = re.compile(
    "frequency_filter|_scale|similarity|entries|head_norm|flatten|label|border|decomposition|"
    "residual|statistics"
)


def function(form, chosen):
    """Make `form` a function of images of the type that the file is to take.

    Args:
        form: model of `inference_form`.
        chosen: `lrl_keras.export.chosen.Chosen`.

    Returns:
        `tf.function` of one tensor, `images` (B, S, S, 3), of sequences (B, F, S, S, 3), to a dict
        of float32 tensors.
    """
    spec = tf.TensorSpec((None, *chosen.shape), chosen.input_type, name="images")

    @tf.function(input_signature=[spec])
    def run(images):
        return form(tf.cast(images, tf.float32), training=False)

    return run
