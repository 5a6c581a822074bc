"""No gradient of a training step is a sum of three, whose last bit TensorFlow leaves to chance."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import element

from lrl_keras import LRL
from lrl_keras.models import Classifier
from lrl_keras.models.zoo.f3_net import F3Net
from lrl_keras.training import trainer
from lrl_keras.training.cpu import fixed_sums
from lrl_keras.training.cpu.repeatable import repeatable
from lrl_keras.training.trainer import Settings


def parts_of_sums(model, faces=2):
    """Numbers of parts of the sums of gradients in one training step of `model`."""
    images, targets, weights = element(faces, model.image_size)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = model.compute_loss(images, targets, outputs, weights)
        return tape.gradient(loss, model.trainable_variables)

    operations = step.get_concrete_function().graph.get_operations()
    return {len(operation.inputs) for operation in operations if operation.type == "AddN"}


@pytest.mark.parametrize(
    "arguments",
    [
        {"backbone": "tiny", "decoder": "deepfakebench"},
        {"backbone": "mobilenet_v3_small"},
        *(
            pytest.param({"backbone": "xception", **parts}, marks=pytest.mark.long)
            for parts in ({}, {"rfam": False}, {"frequency": False})
        ),
    ],
)
def test_sums_have_two_parts(arguments):
    model = LRL(**arguments, image_size=96, patches=3)
    trainer.compile(model, Settings(patches=3))
    assert parts_of_sums(model) == {2}


def test_classifier():
    model = Classifier("tiny", image_size=64)
    trainer.compile(model, Settings("classifier"))
    assert parts_of_sums(model) <= {2}


def test_f3_net():
    model = F3Net(image_size=64, width=3)
    trainer.compile(model, Settings("f3_net"))
    assert parts_of_sums(model) == {2}


@pytest.mark.long
def test_what_there_is_to_fix():
    model = LRL("xception", image_size=96, patches=3)
    model.compile()
    assert parts_of_sums(model) == {2, 3}
    model.compile(loss={"label": "binary_crossentropy"})
    assert 4 in parts_of_sums(model)


def test_outputs_and_configuration_stay():
    model = LRL("tiny", image_size=64, patches=2)
    images = element(2, 64)[0]
    before, config = model(images), keras.saving.serialize_keras_object(model)
    fixed_sums.fix(model)
    after = model(images)
    for name, output in before.items():
        np.testing.assert_array_equal(after[name], output)
    assert keras.saving.serialize_keras_object(model) == config


def test_the_graph_that_runs_is_not_joined_again():
    before = tf.config.optimizer.get_experimental_options()
    with repeatable(0):
        assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False
    after = tf.config.optimizer.get_experimental_options()
    assert after == {**before, "arithmetic_optimization": True}
