"""One row of a benchmark, in a process of its own: loads, and is timed turn by turn.

`python -m lrl_keras.benchmark.row KIND PATH THREADS` reads `BATCH SECONDS` lines from standard
input and answers each with a line of JSON: the seconds of every call of the turn, and the peak
memory of the process so far. Before the first it writes a line with the names of its outputs.
KIND may be a function of another room, as MODULE:FUNCTION.
"""

import importlib
import json
import sys
import time

import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.system.hardware import peak_memory

MATRIX = 2048


def _matrix_product(path, threads):
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a, b = rng.random((2, MATRIX, MATRIX), np.float32)

    def run(batch):
        with threadpool_limits(threads):
            a @ b

    return run, []


def _keras(path, threads):
    import tensorflow as tf

    from lrl_keras.saving.run import load

    tf.config.threading.set_intra_op_parallelism_threads(threads)

    model = load(path)
    faces = _faces(model.input_shape[1:])

    def run(batch):
        model.predict_on_batch(faces[:batch].astype(np.float32))

    return run, list(model.output)


def _exported(path, threads):
    from lrl_keras.saving import runtimes

    runtime = runtimes.load(path, threads)
    faces = _faces(runtime.shape)
    return lambda batch: runtime(faces[:batch]), list(runtime.outputs)


def _faces(shape, count=64):
    *frames, side, _, _ = shape
    rng = np.random.default_rng(0)
    # Smooth in places, as faces are: noise alone hides the speed of a processor on zeros.
    small = rng.integers(0, 256, (count, 8, 8, 3), np.uint8)
    faces = small.repeat(-(-side // 8), axis=1).repeat(-(-side // 8), axis=2)[:, :side, :side]
    return np.repeat(faces[:, None], frames[0], axis=1) if frames else faces


_KINDS = {
    "matrix": _matrix_product,
    "keras": _keras,
    "exported": _exported,
}


def main(kind, path, threads):
    if ":" in kind:
        module, _, name = kind.partition(":")
        prepare = getattr(importlib.import_module(module), name)
    else:
        prepare = _KINDS[kind]
    run, outputs = prepare(path, int(threads))
    print(json.dumps(outputs), flush=True)
    for line in sys.stdin:
        batch, seconds = line.split()
        print(json.dumps(_turn(run, int(batch), float(seconds))), flush=True)


def _turn(run, batch, seconds):
    run(batch)  # Fills the cache again after the turns of other rows.
    calls, end = [], time.perf_counter() + seconds
    while not calls or time.perf_counter() < end:
        begun = time.perf_counter()
        run(batch)
        calls.append(time.perf_counter() - begun)
    return {"calls": calls, "peak_mb": peak_memory() / 1e6}


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except InputError as error:
        sys.exit(str(error))
