"""Decoders of the manipulated-region mask (Sec. 3.4)."""

from __future__ import annotations

import keras

from lrl_keras.layers import BilinearResize

DECODERS = ("light", "deepfakebench")


def decoder(kind: str, input_shape: tuple[int, int, int], image_size: int) -> keras.Model:
    """Build the model from the feature map to the predicted mask M^.

    `"light"` halves its width while it doubles the map with depthwise-separable convolutions, up
    to a quarter of the image, and resizes the logits from there. `"deepfakebench"` has the shape of
    DeepfakeBench's decoder: four times [up by 2, 3x3, norm, ReLU, 3x3, norm, ReLU] with 256, 256,
    128 and 64 channels. It takes more arithmetic than both encoders together.

    Args:
        kind: `"light"` or `"deepfakebench"`.
        input_shape: (h, w, C) of the feature map.
        image_size: side S of the mask in pixels.

    Returns:
        `keras.Model`, (B, h, w, C) -> float32 (B, S, S, 1) in (0, 1).

    Reference: the decoder module of Sec. 3.4, which the paper does not describe.
    """
    if kind not in DECODERS:
        raise ValueError(f"`decoder` must be one of {DECODERS}. Received: decoder={kind!r}")
    features = keras.Input(input_shape, name="features")
    x = _light(features, image_size) if kind == "light" else _deepfakebench(features)
    x = keras.layers.Conv2D(1, 1, name="logits")(x)
    x = BilinearResize(image_size, image_size, dtype="float32", name="resize")(x)
    mask = keras.layers.Activation("sigmoid", dtype="float32", name="probability")(x)
    return keras.Model(features, mask, name="decoder")


def _light(x, image_size):
    width = min(max(x.shape[-1] // 8, 16), 128)
    x = keras.layers.Conv2D(width, 1, use_bias=False, name="reduce")(x)
    x = _norm_relu(x, "reduce")
    step = 0
    while 4 * x.shape[1] < image_size:
        step += 1
        width = max(width // 2, 16)
        x = BilinearResize(2 * x.shape[1], 2 * x.shape[2], name=f"up{step}")(x)
        x = keras.layers.SeparableConv2D(
            width, 3, padding="same", use_bias=False, name=f"convolve{step}"
        )(x)
        x = _norm_relu(x, f"convolve{step}")
    return x


def _deepfakebench(x):
    for step, width in enumerate((256, 256, 128, 64), start=1):
        x = BilinearResize(2 * x.shape[1], 2 * x.shape[2], name=f"up{step}")(x)
        for part in "ab":
            name = f"convolve{step}{part}"
            x = keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=name)(x)
            x = _norm_relu(x, name)
    return x


def _norm_relu(x, name):
    x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
