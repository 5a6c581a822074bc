"""Stats-2L of Rahmouni et al.: the 'CP-CNN' of Tables 1 and 2."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import keras

from lrl_keras.layers import MapStatistics
from lrl_keras.models.centre import central_square, checked_square
from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option


@register_detector("cp_cnn")
class CPCNN(Detector):
    """Two convolutions, four statistics of each of their maps, and a dense layer.

    Green channel / 255; 32 3 x 3 kernels, ReLU; 64 3 x 3, ReLU, no pooling; mean, minimum, maximum
    and variance of each map (`MapStatistics`), 256 numbers; a dense layer of 1,024 with ReLU and
    dropout; the label.

    It looks at the central square of the crop, which it does not resize: give `image_size` of the
    records. Records whose crops were resized weaken what it looks for, so make them with
    `--image-size` at least the usual size of a face.

    Args:
        image_size: side S of the input in pixels, at least `side`. Defaults to `299`.
        side: of the central square, at least 8. Defaults to `128`; the authors' is 100.
        channels: 1, the green channel alone, or 3, RGB. Defaults to `1`.
        units: of the dense layer. Defaults to `1024`.
        dropout: share of the dense layer's outputs that training drops, in [0, 1). Defaults to
            `0.35`.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: whether dropout is in training mode.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the face is forged.

    Reference: Rahmouni et al., "Distinguishing Computer Graphics from Natural Images Using
    Convolution Neural Networks", WIFS 2017; trained on faces by Roessler et al.,
    "FaceForensics++", ICCV 2019. Layers, dropout and initial weights are those of the authors'
    code (CGvsPhoto). Quoted from memory of FaceForensics++: 128 pixels, Adam, its rate, the batch.
    Ours: one sigmoid output for two of a softmax, green also on faces, a constant rate, no weight
    decay, one central square a face where the authors let patches vote.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "image_size": Option(299, "side of the input, pixels", least=8, most=4096),
        "side": Option(128, "of the central square that is looked at", least=8, most=4096),
        "channels": Option(1, "1, green alone, or 3, RGB", least=1, most=3),
        "units": Option(1024, "of the dense layer", least=1, most=65536),
        "dropout": Option(0.35, "share of the dense layer's outputs", least=0, most=0.99),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "learning_rate": 1e-4,
        "schedule": "constant",
        "batch_size": 64,
        "weight_decay": 0.0,
    }

    def __init__(
        self,
        image_size: int = 299,
        side: int = 128,
        channels: int = 1,
        units: int = 1024,
        dropout: float = 0.35,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        image_size, side = checked_square(image_size, side, least=8)
        units = checked_integer("units", units, 1, 65536)
        if channels not in (1, 3):
            raise ValueError(
                f"`channels` must be 1, green, or 3, RGB. Received: channels={channels}"
            )

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        x = central_square(images, side) / 255
        if channels == 1:
            x = x[..., 1:2]
        for number, filters in ((1, 32), (2, 64)):
            initial = self._initial(9 * x.shape[-1])
            x = keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=f"conv{number}", **initial
            )(x)
        x = MapStatistics(name="statistics")(x)
        x = keras.layers.Dense(
            units, activation="relu", name="dense", **self._initial(x.shape[-1])
        )(x)
        x = keras.layers.Dropout(dropout, name="dropout")(x)
        label = keras.layers.Dense(
            1, activation="sigmoid", dtype="float32", name="label", **self._initial(units)
        )(x)
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)

        # Config
        self.image_size = image_size
        self.side = side
        self.channels = int(channels)
        self.units = units
        self.dropout = float(dropout)
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    @staticmethod
    def _initial(fan_in):
        normal = keras.initializers.TruncatedNormal
        return {
            "kernel_initializer": normal(0.0, math.sqrt(2 / fan_in)),
            "bias_initializer": normal(0.5, 0.1),
        }

    def get_config(self) -> dict[str, Any]:
        names = (
            "name", "image_size", "side", "channels", "units", "dropout", "crop_margin",
            "crop_size",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}
