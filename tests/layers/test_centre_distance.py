import json
from pathlib import Path

import keras
import numpy as np
import pytest
from backend import gradients, to_numpy

from lrl_keras.layers import CentreDistance

FIXTURE = Path(__file__).parents[1] / "fixtures" / "baselines_two_branch.json"
REFERENCE = json.loads(FIXTURE.read_text("utf-8"))["isolate_loss"]


def embeddings():
    """The reference's, and a layer with its centre."""
    scales = np.array(REFERENCE["scales"])[:, None]
    n, k = np.arange(len(scales))[:, None], np.arange(4)
    layer = CentreDistance(REFERENCE["r_real"], REFERENCE["r_fake"])
    layer.build((None, 4))
    layer.centre.assign(0.01 * k)
    return layer, (scales * np.sin((4 * n + k) / 2)).astype("float32")


def test_distances_are_the_references(policy):
    layer, values = embeddings()
    found = to_numpy(layer(values)).astype(np.float64)
    assert found.shape == (6, 1)
    # 4 / (1.638 - 0.042) and the middle of both radii, 0.84, by hand.
    distances = np.log(found / (1 - found))[:, 0] / 2.506265664160401 + 0.84
    np.testing.assert_allclose(distances, REFERENCE["distances"], atol=1e-5)


def test_one_half_is_in_the_middle():
    layer = CentreDistance(1.0, 3.0)
    found = to_numpy(layer(np.array([[0.0, 2.0], [0.0, 1.0], [3.0, 0.0]], "float32")))
    expected = [[0.5], [1 / (1 + np.e**2)], [1 / (1 + np.e**-2)]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_centre_is_not_trained():
    layer, _ = embeddings()
    assert layer.trainable_variables == []
    assert [variable.name for variable in layer.non_trainable_variables] == ["centre"]


@pytest.mark.parametrize("shift", [0.0, 0.5])
def test_gradients_are_finite_at_the_centre(shift):
    layer, _ = embeddings()
    values = np.stack([to_numpy(layer.centre) + shift])
    ((found,), _) = gradients(layer, [values])
    assert np.isfinite(found).all()
    assert (found == 0).all() == (shift == 0)


def test_config_makes_the_same_layer():
    layer, _ = embeddings()
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    copy = keras.saving.deserialize_keras_object(config)
    assert (copy.r_real, copy.r_fake) == (0.042, 1.638)


@pytest.mark.parametrize("radii", [(-0.1, 1.0), (1.0, 1.0), (2.0, 1.0)])
def test_wrong_radii(radii):
    with pytest.raises(ValueError, match=f"Received: r_real={radii[0]}, r_fake={radii[1]}"):
        CentreDistance(*radii)


def test_a_wrong_shape():
    with pytest.raises(ValueError, match="Expected embeddings of shape"):
        CentreDistance().build((None, 3, 4))
