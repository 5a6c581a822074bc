"""Scores files in a process of its own; prints one JSON line a file, with the seconds it took."""

import json
import sys
import time

import keras

import lrl_keras
from lrl_keras.prediction.predictor import predict


def main(overlay, paths):
    keras.utils.set_random_seed(7)
    model = lrl_keras.LRL(backbone="tiny", image_size=64, patches=4)
    results = predict(model, paths, frames_per_video=4, batch_size=4, overlay=overlay)
    while True:
        start = time.monotonic()
        result = next(results, None)
        if result is None:
            return
        print(json.dumps([round(time.monotonic() - start, 2), result], allow_nan=False), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.stdin.read()))
