"""Inference form of a network: float32, one or all outputs, normalisation folded away."""

import collections
import itertools

import keras
import numpy as np

from lrl_keras.layers import RFAM

OUTPUTS = ("all", "label")

_CONVOLUTIONS = (
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)


def inference_form(model, outputs="all", fold=True):
    """Build a model that computes what `model` does in inference, with less work.

    Rebuilt in float32 from the configuration and the weights, whatever dtype policy `model` was
    trained under. Every BatchNormalization behind a convolution, which is a constant scale and
    shift once training is over, is folded into that convolution; and the means of the squeeze and
    excitation blocks keep their four axes, so that no format needs to change the layout there.

    Args:
        model: one of `lrl_keras.models.DETECTORS`.
        outputs: `"all"`, or `"label"` to leave out mask and similarity: no decoder is computed.
        fold: `False` leaves the layers as they are.

    Returns:
        functional `keras.Model`, float32 (B, S, S, 3) RGB 0..255 -> dict of float32, as `model`.
    """
    if outputs not in OUTPUTS:
        raise ValueError(f"`outputs` must be one of {OUTPUTS}. Received: outputs={outputs!r}")
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("float32")
    try:
        rebuilt = type(model).from_config(model.get_config())
        rebuilt.set_weights(model.get_weights())
        names = list(rebuilt.output) if outputs == "all" else ["label"]
        whole = keras.Model(
            rebuilt.input, {name: rebuilt.output[name] for name in names}, name=model.name
        )
        return _folded(whole) if fold else whole
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def _folded(model):
    convolutions, means, gone = _foldable(model)
    pairs = []

    def copy(layer):
        if id(layer) in gone:
            return keras.layers.Identity(name=layer.name, dtype="float32")
        config = layer.get_config()
        if id(layer) in means:
            config["keepdims"] = True
        if id(layer) in convolutions:
            config["use_bias"] = True
        kind = _FoldedRFAM if type(layer) is RFAM else type(layer)
        twin = kind.from_config(config)
        if getattr(layer, "activation", None) is keras.activations.silu:
            twin.activation = _swish
        if isinstance(layer, keras.layers.Layer):
            pairs.append((layer, twin))
        return twin

    def call(layer, inputs, *arguments, **options):
        if isinstance(layer, keras.layers.Identity):
            return inputs
        return layer(inputs, *arguments, **options)

    result = keras.models.clone_model(
        model, clone_function=copy, call_function=call, recursive=True
    )
    for layer, twin in pairs:
        if id(layer) in convolutions:
            _fold(layer, convolutions[id(layer)], twin)
        elif isinstance(twin, _FoldedRFAM):
            _fold(layer.fuse, layer.norm, twin.fuse)
            twin.attend.set_weights(layer.attend.get_weights())
        else:
            twin.set_weights(layer.get_weights())
    return result


def _swish(x):
    # TensorFlow's own swish brings a custom gradient, across which no operation is fused, and
    # multiplies by 1 first.
    return keras.ops.multiply(x, keras.ops.sigmoid(x))


class _FoldedRFAM(RFAM):
    """RFAM whose normalisation lies in the weights of its first convolution."""

    def _fusion(self, channels):
        policy = self.dtype_policy
        return (
            keras.layers.Conv2D(channels, 1, dtype=policy, name="fuse"),
            _Unchanged(dtype=policy, name="norm"),
        )


class _Unchanged(keras.layers.Layer):
    """Takes the place of a normalisation that was folded away."""

    def call(self, inputs, training=None):
        return inputs


def _foldable(model):
    """Find the layers that can be left out of a model and the models inside it.

    Returns:
        (norm by the id of the convolution that it is folded into; ids of the mean layers that are
        to keep their four axes; ids of the layers that are then left out).
    """
    convolutions, means, gone = {}, set(), set()
    for part in (model, *(layer for layer in model.layers if isinstance(layer, keras.Model))):
        nodes = list(itertools.chain.from_iterable(part._nodes_by_depth.values()))
        made_by, readers = {}, collections.Counter(map(id, part.outputs))
        for node in nodes:
            made_by.update((id(tensor), node.operation) for tensor in node.output_tensors)
            readers.update(map(id, node.input_tensors))
        for node in nodes:
            layer, tensors = node.operation, node.input_tensors
            if len(tensors) != 1 or readers[id(tensors[0])] != 1:
                continue
            source = made_by.get(id(tensors[0]))
            if _is_norm_of(layer, source):
                convolutions[id(source)] = layer
                gone.add(id(layer))
            elif _is_vector_of(layer, source):
                means.add(id(source))
                gone.add(id(layer))
    return convolutions, means, gone


def _is_norm_of(layer, source):
    return (
        isinstance(layer, keras.layers.BatchNormalization)
        and isinstance(source, _CONVOLUTIONS)
        and source.activation is keras.activations.linear
        and source.data_format == "channels_last"
        and layer.axis in (-1, 3)
    )


def _is_vector_of(layer, source):
    """Return whether `layer` only makes a (1, 1, C) map of the result of the mean `source`."""
    return (
        isinstance(layer, keras.layers.Reshape)
        and tuple(layer.target_shape[:2]) == (1, 1)
        and isinstance(source, keras.layers.GlobalAveragePooling2D)
        and not source.keepdims
    )


def _fold(convolution, norm, target):
    """Give `target` the weights with which it does the work of `convolution` and `norm`."""
    numbers = {
        name: np.asarray(keras.ops.convert_to_numpy(value), np.float64)
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
        if (value := getattr(norm, name, None)) is not None
    }
    scale = 1 / np.sqrt(numbers["moving_variance"] + norm.epsilon)
    scale = scale * numbers.get("gamma", 1.0)
    shift = numbers.get("beta", 0.0) - numbers["moving_mean"] * scale
    *kernels, kernel = convolution.get_weights()[: -1 if convolution.use_bias else None]
    bias = convolution.get_weights()[-1] if convolution.use_bias else 0.0
    if isinstance(convolution, keras.layers.DepthwiseConv2D):
        # (h, w, C, multiplier): the last two axes are one channel each of the result.
        folded = kernel * scale.reshape(kernel.shape[2:])
    else:
        folded = kernel * scale
    target.set_weights([*kernels, folded, bias * scale + shift])
