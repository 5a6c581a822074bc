"""Constrained convolution of Bayar and Stamm: the 'C-Conv' of Tables 1 and 2."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from lrl_keras.layers import ConstrainedConv2D
from lrl_keras.layers.frequency_filter import LUMA
from lrl_keras.models.centre import central_square, checked_square
from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option


@register_detector("c_conv")
class CConv(Detector):
    """Convolutions on the errors of predicting pixels from their neighbours.

    Gray image / 255; 12 constrained 5 x 5 kernels (`ConstrainedConv2D`); 64 7 x 7 with stride 2,
    ReLU; maximum of 3 x 3 with stride 2; 48 5 x 5, ReLU; the same maximum; two dense layers with
    ReLU and dropout; the label.

    It looks at the central square of the crop, which it does not resize: give `image_size` of the
    records. Records whose crops were resized weaken what it looks for, so make them with
    `--image-size` at least the usual size of a face.

    Args:
        image_size: side S of the input in pixels, at least `side`. Defaults to `299`.
        side: of the central square, at least 16. Defaults to `128`; the authors' is 227.
        units: of both dense layers. Defaults to `4096`.
        dropout: share of the dense layers' outputs that training drops, in [0, 1). Defaults to
            `0.5`.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: whether dropout is in training mode.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the face is forged.

    Reference: Bayar and Stamm, "A Deep Learning Approach to Universal Image Manipulation Detection
    Using a New Convolutional Layer", IH&MMSec 2016; trained on faces by Roessler et al.,
    "FaceForensics++", ICCV 2019. The authors' code of this network is not to be had (MISLnet, of
    2018, is another one). Layers, Adam, its rate and the batch are quoted from memory of the two
    papers; the rounding of Caffe's poolings was checked against the sizes they give. Ours: BT.601
    gray and the division by 255, Glorot's initial weights with biases of 0, no local response
    normalisation, which is near 1 here, a constant rate, no weight decay.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "image_size": Option(299, "side of the input, pixels", least=16, most=4096),
        "side": Option(128, "of the central square that is looked at", least=16, most=4096),
        "units": Option(4096, "of both dense layers", least=1, most=65536),
        "dropout": Option(0.5, "share of the dense layers' outputs", least=0, most=0.99),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "learning_rate": 1e-5,
        "schedule": "constant",
        "batch_size": 64,
        "weight_decay": 0.0,
    }

    def __init__(
        self,
        image_size: int = 299,
        side: int = 128,
        units: int = 4096,
        dropout: float = 0.5,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        image_size, side = checked_square(image_size, side)
        units = checked_integer("units", units, 1, 65536)

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        luma = np.array(LUMA, "float32")[:, None] / 255
        x = ops.matmul(central_square(images, side), luma)
        x = ConstrainedConv2D(12, name="residual")(x)
        x = keras.layers.ZeroPadding2D(3, name="pad")(x)
        x = keras.layers.Conv2D(64, 7, strides=2, activation="relu", name="conv2")(x)
        x = self._pool(x, "pool2")
        x = keras.layers.Conv2D(48, 5, padding="same", activation="relu", name="conv3")(x)
        x = self._pool(x, "pool3")
        x = keras.layers.Flatten(name="flatten")(x)
        for number in (1, 2):
            x = keras.layers.Dense(units, activation="relu", name=f"dense{number}")(x)
            x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)
        label = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="label")(x)
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)

        # Config
        self.image_size = image_size
        self.side = side
        self.units = units
        self.dropout = float(dropout)
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    @staticmethod
    def _pool(maps, name):
        """Take the maximum of 3 x 3 with stride 2; as in Caffe an incomplete window counts."""
        padding = "valid" if maps.shape[1] % 2 else "same"
        return keras.layers.MaxPooling2D(3, strides=2, padding=padding, name=name)(maps)

    def get_config(self) -> dict[str, Any]:
        names = (
            "name", "image_size", "side", "units", "dropout", "crop_margin", "crop_size",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}
