"""How many gradients of one tensor TensorFlow adds in a training step, in any order from 3 on."""

import tensorflow as tf

from lrl_keras.training import Settings, compile


def largest(model):
    """Return the most terms of a sum of gradients; needs the TensorFlow backend."""
    compile(model, Settings(model.NAME))

    @tf.function
    def step(images, targets):
        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = model.compute_loss(images, targets, outputs)
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    images = tf.zeros((2, *model.input_shape[1:]))
    graph = step.get_concrete_function(images, {"label": tf.zeros((2, 1))}).graph
    sums = [len(each.inputs) for each in graph.get_operations() if each.type == "AddN"]
    return max(sums, default=1)
