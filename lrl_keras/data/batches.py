"""Batches of decoded examples in the form that networks take, in float32."""

import tensorflow as tf

from lrl_keras.data import xray


def of_training(image, masks, label, has_mask):
    """Make images, targets and sample weights, see `lrl_keras.data.load`."""
    label = tf.cast(label, tf.float32)[:, None]
    mask, known = tf.cast(masks[..., :1], tf.float32), tf.cast(has_mask, tf.float32)
    targets = {"label": label, "similarity": mask, "mask": mask}
    weights = {"label": tf.ones_like(known), "similarity": known, "mask": known}
    if masks.shape[-1] == 2:
        targets["xray"] = xray.target(masks[..., 1:])
        weights["xray"] = tf.maximum(known, 1 - label[:, 0])
    return tf.cast(image, tf.float32), targets, weights


def of_examples(features):
    """Convert the features of a batch to the types that `lrl_keras.data.examples` says."""
    return {
        **features,
        "image": tf.cast(features["image"], tf.float32),
        "mask": tf.cast(features["mask"], tf.float32),
        "has_mask": features["has_mask"] > 0,
    }
