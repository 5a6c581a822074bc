"""Epochs as they come from `load`; as a script, their checksum under other circumstances."""

import hashlib
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from lrl_keras.data import load


def read(dataset):
    """All batches of one epoch, as numpy arrays."""
    return list(dataset.as_numpy_iterator())


def same(first, second):
    """Whether two epochs have the same batches, bit for bit."""
    first, second = (tf.nest.flatten(epoch) for epoch in (first, second))
    return len(first) == len(second) and all(map(np.array_equal, first, second))


def digest(epoch):
    """SHA-256 of all that an epoch holds."""
    content = hashlib.sha256()
    for array in tf.nest.flatten(epoch):
        content.update(array.tobytes())
    return content.hexdigest()


def _main(records, threads, arguments):
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    # None of this may play a part.
    keras.utils.set_random_seed(threads)
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    return digest(read(load(records, "train", 8, **arguments)))


if __name__ == "__main__":
    print(_main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
