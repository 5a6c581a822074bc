"""TFLite files, on LiteRT."""

import numpy as np

from lrl_keras.saving.formats.format import Format, Pool, split


def _load(litert, file, threads):
    from ai_edge_litert.interpreter import Interpreter

    def interpreter(count):
        made = Interpreter(model_path=file, num_threads=count)
        made.allocate_tensors()
        return made

    def signature(made):
        return made.get_signature_runner("serving_default")

    first = interpreter(1)
    (details,) = signature(first).get_input_details().values()
    (name,) = signature(first).get_input_details()
    outputs = tuple(signature(first).get_output_details())
    # An interpreter belongs to one thread at a time (github.com/google-ai-edge/LiteRT).
    alone = Pool([interpreter(threads)])
    side_by_side = Pool([first, *(interpreter(1) for _ in range(threads - 1))])

    def run_on(pool, images):
        with pool.one() as made:
            found = signature(made)(**{name: images.astype(details["dtype"])})
            return {name: np.array(value) for name, value in found.items()}

    run = split(
        lambda images: run_on(alone, images), lambda image: run_on(side_by_side, image), threads
    )
    return tuple(map(int, details["shape"][1:])), outputs, run


FORMAT = Format(
    name="tflite",
    runtime="ai_edge_litert",
    load=_load,
    writer="lrl_keras.export.tflite",
    packages={"ai_edge_litert": "ai-edge-litert"},
    ending=".tflite",
)
