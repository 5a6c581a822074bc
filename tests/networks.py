"""Small networks, faces and batches for the tests of the network."""

import keras
import numpy as np
import tensorflow as tf
from backend import to_numpy
from skimage import data

from lrl_keras import LRL

# The rows of Table 4, top to bottom.
ABLATIONS = {
    "rgb": {"frequency": False, "similarity": False},
    "frequency": {"rfam": False, "similarity": False},
    "rfam": {"similarity": False},
    "mpsm": {"frequency": False},
    "all": {},
}


def faces(batch, size):
    picture = data.astronaut().astype("float32")
    return np.stack([picture[20 * i : 20 * i + size, :size] for i in range(batch)])


def tiny(size=64, **kwargs):
    keras.utils.set_random_seed(1)
    return LRL("tiny", image_size=size, **kwargs)


def randomise(model):
    """Moving statistics and biases as if trained, so that training mode would be seen."""
    rng = np.random.default_rng(3)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(rng.normal(0, 0.2, layer.moving_mean.shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2, layer.moving_variance.shape))
            layer.beta.assign(rng.normal(0, 0.2, layer.beta.shape))
    return model


def lively(model):
    """Statistics of real pictures: outputs differ from face to face as in a trained network.

    The last norm of each residual branch is made weak, as training does: with random weights of
    full strength rounding alone would grow to visible differences in a deep network.
    """
    randomise(model)
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    rng = np.random.default_rng(5)
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        branch = "project" in norm.name or "sepconv" in norm.name
        if norm.gamma is not None:
            norm.gamma.assign(rng.uniform(0.5, 1.5, norm.gamma.shape) * (0.3 if branch else 1))
    model(faces(8, model.image_size), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        # A channel that these faces leave constant would make much of nothing in others.
        norm.moving_variance.assign(np.maximum(to_numpy(norm.moving_variance), 0.05))
    # Scores on both sides of 0.5, as far apart as float32 allows to tell.
    label = model.get_layer("label")
    scores = to_numpy(model(faces(8, model.image_size))["label"])
    logits = np.log(scores / (1 - scores)) - to_numpy(label.bias)
    scale = min(1 / logits.std(), 5)
    label.kernel.assign(scale * to_numpy(label.kernel))
    label.bias.assign([-scale * logits.mean()])
    return model


def element(batch, size):
    """A batch as `lrl_keras.data` makes it; the mask of the first face is not known."""
    rng = np.random.default_rng(batch)
    mask = (rng.random((batch, size, size, 1)) < 0.3).astype("float32")
    label = (np.arange(batch) % 2).astype("float32")[:, None]
    known = np.ones(batch, "float32")
    weights = {"label": known, "similarity": known.copy(), "mask": known.copy()}
    weights["similarity"][0] = weights["mask"][0] = mask[0] = 0
    return faces(batch, size), {"label": label, "similarity": mask, "mask": mask}, weights


def dataset(batch, size):
    return tf.data.Dataset.from_tensor_slices(element(batch, size)).batch(batch)


def arrays(outputs):
    return {name: to_numpy(value) for name, value in outputs.items()}


def assert_close(found, expected, tolerance=1e-5):
    assert set(found) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=tolerance, err_msg=name)


def assert_outputs(outputs, size, k, batch):
    shapes = {"label": (batch, 1), "mask": (batch, size, size, 1)}
    shapes |= {"similarity": (batch, k * k, k * k)} if k else {}
    assert {name: tuple(value.shape) for name, value in outputs.items()} == shapes
    for name, value in outputs.items():
        assert keras.backend.standardize_dtype(value.dtype) == "float32", name
        value = to_numpy(value)
        assert np.isfinite(value).all(), name
        assert value.min() >= 0, name
        assert value.max() <= 1, name
