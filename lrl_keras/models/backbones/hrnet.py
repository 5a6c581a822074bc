"""HRNet: branches at the strides 4, 8, 16 and 32, side by side from end to end."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import keras
from keras import ops

from lrl_keras.errors import InputError

_STEM = 64
_BOTTLENECKS, _EXPANSION = 4, 4


def hrnet(
    width: int,
    image_size: int,
    weights: str | os.PathLike[str] | None = None,
    modules: tuple[int, int, int] = (1, 4, 3),
    blocks: int = 4,
) -> keras.Model:
    """Build a functional HRNet for standardised images.

    A stem of stride 4, four bottlenecks, then three stages. Stage n has n branches of C, 2 C, ...
    channels at the strides 4, 8, ...; each of its modules is residual blocks on every branch and a
    fusion: every branch becomes the sum of all of them, brought to its size by 1 x 1 convolutions
    and nearest neighbours, or by 3 x 3 convolutions of stride 2.

    Args:
        width: C, at least 1; 18, 32 and 48 are those of `HRNETS`.
        image_size: side of the input in pixels, a multiple of 32.
        weights: `None`, or a weights file of this network. There is no `"imagenet"`: no weights of
            HRNet come with Keras.
        modules: of the stages 2, 3 and 4. Defaults to the published `(1, 4, 3)`.
        blocks: on each branch of a module. Defaults to the published `4`.

    Returns:
        `keras.Model`, (B, S, S, 3) to a list of four maps (B, S / 4, S / 4, C) to
        (B, S / 32, S / 32, 8 C), without ImageNet's classifier.

    Raises:
        ValueError: another size, or a width below 1.
        InputError: weights that cannot be loaded.

    Reference: Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition",
    TPAMI 2020. Layers, borders and widths are those of the authors' code: a convolution of stride 2
    begins at the pixel above and left of the image, so that its weights would fit. Keras's initial
    weights are our default.
    """
    if image_size < 32 or image_size % 32:
        raise ValueError(
            f"`image_size` must be a multiple of 32 with HRNet. Received: image_size={image_size}"
        )
    if width < 1:
        raise ValueError(f"`width` must be at least 1. Received: width={width}")
    image = keras.Input((image_size, image_size, 3))
    x = _convolution(image, _STEM, 3, "stem1", strides=2)
    x = _convolution(x, _STEM, 3, "stem2", strides=2)
    for block in range(_BOTTLENECKS):
        x = _bottleneck(x, _STEM, f"stage1_block{block}")
    maps = [x]
    for stage, count in enumerate(modules, start=2):
        maps = _with_another(maps, [width << level for level in range(stage)], f"transition{stage}")
        for module in range(count):
            name = f"stage{stage}_module{module}"
            for level, branch in enumerate(maps):
                for block in range(blocks):
                    branch = _basic(branch, f"{name}_branch{level}_block{block}")
                maps[level] = branch
            maps = _fused(maps, f"{name}_fuse")
    model = keras.Model(image, maps, name="hrnet")
    if weights is not None:
        _load(model, weights)
    return model


# Functions of the image's side and the weights, by name.
HRNETS = {f"hrnet_w{width}": functools.partial(hrnet, width) for width in (18, 32, 48)}


def _with_another(maps, widths, name):
    """Give each map its width, and add a branch of twice the stride."""
    *before, last = maps
    last, source = _copies(last, 2)
    result = []
    for level, x in enumerate([*before, last]):
        if x.shape[-1] != widths[level]:
            x = _convolution(x, widths[level], 3, f"{name}_branch{level}")
        result.append(x)
    level = len(maps)
    return [*result, _convolution(source, widths[level], 3, f"{name}_branch{level}", strides=2)]


def _fused(maps, name):
    copies = [list(_copies(x, len(maps))) for x in maps]
    fused = []
    for to, target in enumerate(maps):
        parts = [
            _brought(of_one[to], to - source, target.shape[-1], f"{name}_{source}_to_{to}")
            for source, of_one in enumerate(copies)
        ]
        x = keras.layers.Add(name=f"{name}_{to}_add")(parts)
        fused.append(keras.layers.ReLU(name=f"{name}_{to}_relu")(x))
    return fused


def _brought(x, levels, width, name):
    """Bring a branch to the size and width of the one that lies `levels` below it."""
    if levels < 0:
        x = _convolution(x, width, 1, name, relu=False)
        return keras.layers.UpSampling2D(2**-levels, name=f"{name}_up")(x)
    for step in range(levels):
        last = step == levels - 1
        filters = width if last else x.shape[-1]
        x = _convolution(x, filters, 3, f"{name}_step{step}", strides=2, relu=not last)
    return x


def _copies(x: keras.KerasTensor, count: int) -> Iterator[keras.KerasTensor]:
    """Yield `count` tensors equal to `x`, so that no tensor is read more than twice.

    A gradient is then a sum of two, which is the same in either order; TensorFlow adds three and
    more in any order, and the last bits of the weights would differ from run to run.
    """
    for _ in range(count - 1):
        yield ops.copy(x)
        x = ops.copy(x)
    yield x


def _bottleneck(x, width, name):
    shortcut = x
    if x.shape[-1] != _EXPANSION * width:
        shortcut = _convolution(x, _EXPANSION * width, 1, f"{name}_shortcut", relu=False)
    x = _convolution(x, width, 1, f"{name}_reduce")
    x = _convolution(x, width, 3, f"{name}_middle")
    x = _convolution(x, _EXPANSION * width, 1, f"{name}_expand", relu=False)
    return _residual(x, shortcut, name)


def _basic(x, name):
    shortcut, width = x, x.shape[-1]
    x = _convolution(x, width, 3, f"{name}_first")
    x = _convolution(x, width, 3, f"{name}_second", relu=False)
    return _residual(x, shortcut, name)


def _residual(x, shortcut, name):
    x = keras.layers.Add(name=f"{name}_add")([x, shortcut])
    return keras.layers.ReLU(name=f"{name}_relu")(x)


def _convolution(x, filters, kernel, name, strides=1, relu=True):
    padding = "same"
    if strides == 2:
        # Of an even side, the border below and to the right would not be read.
        x = keras.layers.ZeroPadding2D(((1, 0), (1, 0)), name=f"{name}_pad")(x)
        padding = "valid"
    x = keras.layers.Conv2D(filters, kernel, strides, padding, use_bias=False, name=f"{name}_conv")(
        x
    )
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x) if relu else x


def _load(model, weights):
    remedy = "use weights=None (`--weights none`), or another backbone, which has such weights"
    if weights == "imagenet":
        raise InputError(f"HRNet has no ImageNet weights here; {remedy}")
    if not Path(weights).is_file():
        raise InputError(f"{weights}: no such weights file; {remedy}")
    try:
        model.load_weights(weights)
    except Exception as error:  # Of h5py and of Keras.
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{weights}: cannot be loaded ({reason}); {remedy}") from error
