"""The same numbers each time, on a CPU to the last bit."""

import contextlib

import keras
import tensorflow as tf


@contextlib.contextmanager
def repeatable(seed):
    """Let what is computed within give the same numbers each time.

    Keras's and TensorFlow's generators begin with `seed`. On a CPU TensorFlow's operations become
    deterministic, which cannot be undone in a process, and Grappler keeps the identities of
    `fixed_sums`, until the end.

    Args:
        seed: int.
    """
    keras.utils.set_random_seed(seed)
    if tf.config.list_physical_devices("GPU"):
        yield
        return
    tf.config.experimental.enable_op_determinism()
    name = "arithmetic_optimization"
    before = tf.config.optimizer.get_experimental_options().get(name, True)
    tf.config.optimizer.set_experimental_options({name: False})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({name: before})
