"""TensorFlow without its notes, for what is run from a command line."""

import contextlib
import os
import sys

from lrl_keras.system import process


@contextlib.contextmanager
def without_standard_error():
    """Turn away what is written to standard error's file descriptor, by libraries past Python."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def import_tensorflow():
    """Import TensorFlow, configured, without the notes on CPU features that it writes.

    It writes some of them past its own log level. `TF_CPP_MIN_LOG_LEVEL=0` shows them.
    """
    process.configure()
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        return
    with without_standard_error():
        import tensorflow

        # Otherwise it counts the shapes that it was called with as faults.
        tensorflow.get_logger().setLevel("ERROR")
