"""Weights and images by formula, with which tests/fixtures/baselines_meso.json was made."""

import json
from pathlib import Path

import keras
import numpy as np

REFERENCE = json.loads(
    (Path(__file__).parent / "fixtures" / "baselines_meso.json").read_text("utf-8")
)


def image(kind, side, channels):
    """(side, side, channels) in [0, 1]."""
    i, j, c = np.meshgrid(*map(np.arange, (side, side, channels)), indexing="ij")
    if kind == "waves":
        return 0.5 + 0.5 * np.sin(0.1 * i + 0.2 * j + c)
    if kind == "modular":
        return (7 * i + 13 * j + 29 * c + (i * j) % 31) % 256 / 255
    return np.full((side, side, channels), 0.5)


def numbers(n, name, shape):
    """Values of one weight of the n-th layer."""
    size = int(np.prod(shape))
    k = np.arange(size)
    values = {
        "kernel": np.sqrt(2 * shape[-1] / size) * np.sin(0.7 * k + n),
        "bias": 0.05 * np.cos(k + n),
        "gamma": 1 + 0.1 * np.sin(k + n),
        "beta": 0.1 * np.cos(k + n),
        "moving_mean": 0.05 * np.sin(2 * k + n),
        "moving_variance": 1 + 0.2 * np.cos(k + n) ** 2,
    }[name]
    return values.reshape(shape).astype("float32")


def set_weights(model, names):
    """Give the layers of these names, from the 0th on, the weights of the formula."""
    for n, name in enumerate(names):
        for variable in model.get_layer(name).weights:
            variable.assign(numbers(n, variable.name, tuple(variable.shape)))


def logit(model, images):
    """Logit of the label of images in [0, 1], (B, S, S, 3)."""
    before = keras.Model(model.input, model.get_layer("label").input)
    label = model.get_layer("label")
    inputs = keras.ops.convert_to_numpy(before(255 * np.asarray(images, "float32")))
    kernel, bias = (keras.ops.convert_to_numpy(each) for each in (label.kernel, label.bias))
    return inputs @ kernel + bias
