"""What a test must do differently on each Keras backend."""

import keras
import numpy as np
from keras import ops


def gradients(function, inputs, variables=()):
    """Gradients of the sum of `function(*inputs)`, in float32.

    Args:
        function: keras.ops computation of one tensor; sees `variables` through its layers.
        inputs: list of arrays or tensors, kept in their dtype.
        variables: list of `keras.Variable`.

    Returns:
        tuple of two lists of arrays, for the inputs and for the variables.
    """
    inputs = [ops.convert_to_tensor(value) for value in inputs]

    def total(*values):
        return ops.sum(ops.cast(function(*values), "float32"))

    by_backend = {
        "tensorflow": _tensorflow_gradients, "jax": _jax_gradients, "torch": _torch_gradients,
    }  # fmt: skip
    found = by_backend[keras.backend.backend()](total, inputs, list(variables))
    return tuple([to_numpy(value) for value in part] for part in found)


def to_numpy(tensor):
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")))


def _tensorflow_gradients(total, inputs, variables):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = total(*inputs)
    # As on JAX, of what does not depend on an input.
    zero = tf.UnconnectedGradients.ZERO
    return tape.gradient(value, (inputs, [variable.value for variable in variables]), None, zero)


def _jax_gradients(total, inputs, variables):
    import jax

    def stateless(values, states):
        mapping = list(zip(variables, states, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return total(*values)

    return jax.grad(stateless, argnums=(0, 1))(inputs, [variable.value for variable in variables])


def _torch_gradients(total, inputs, variables):
    import torch

    inputs = [value.detach().requires_grad_() for value in inputs]
    found = torch.autograd.grad(total(*inputs), [*inputs, *(v.value for v in variables)])
    return found[: len(inputs)], found[len(inputs) :]
