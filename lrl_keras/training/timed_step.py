"""One step of training, to be timed."""

import atexit
import contextlib

import numpy as np
import tensorflow as tf

from lrl_keras.training import networks
from lrl_keras.training.cpu.repeatable import repeatable

_MOST = 64


def prepared(path, threads):
    """Prepare a run's training step on random faces, with its own losses, optimizer and precision.

    Args:
        path: folder of a run.
        threads: processor cores to use.

    Returns:
        (function, names): the function takes the number of faces of a step, 64 at most; names are
        those of the network's outputs.
    """
    tf.config.threading.set_intra_op_parallelism_threads(threads)

    # Until the process ends, which measures nothing else.
    stack = contextlib.ExitStack()
    stack.enter_context(repeatable(0))
    atexit.register(stack.close)
    model = networks.load_compiled(path)
    rng, shape = np.random.default_rng(0), model.input_shape[1:]
    faces = rng.integers(0, 256, (_MOST, *shape)).astype(np.float32)
    labels = np.arange(_MOST, dtype=np.float32)[:, None] % 2
    masks = (rng.random((_MOST, *shape[:-1], 1)) < 0.3).astype(np.float32)
    targets = {"label": labels, "similarity": masks, "mask": masks, "xray": masks}

    def run(batch):
        part = {name: target[:batch] for name, target in targets.items()}
        model.train_on_batch(faces[:batch], part)

    return run, list(model.output)
