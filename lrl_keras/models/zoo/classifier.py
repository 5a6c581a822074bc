"""Backbone with one output: the Xception of Tables 1 to 3."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import keras

from lrl_keras.models.backbones.stages import from_config, streams
from lrl_keras.models.backbones.table import options as backbone_options
from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option


@register_detector("classifier")
class Classifier(Detector):
    """Backbone, mean of its last map, and one dense layer that scores the face.

    Args:
        backbone: see `lrl_keras.LRL`. Defaults to `"xception"`.
        image_size: side S of the input in pixels, at least 32. Defaults to `299`.
        weights: `None`, `"imagenet"`, or a weights file of the backbone without its top.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: whether BatchNormalization and dropout are in training mode.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the face is forged.

    Reference: Roessler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images",
    ICCV 2019.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        **backbone_options("xception"),
        "image_size": Option(299, "side of the input, pixels", least=32, most=4096),
    }

    def __init__(
        self,
        backbone: str | keras.Model | dict[str, Any] = "xception",
        image_size: int = 299,
        weights: str | os.PathLike[str] | None = None,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        backbone, backbone_config = from_config(backbone)
        image_size = checked_integer("image_size", image_size, 32, 4096)

        # Layers
        rescale, *stages = streams(backbone, image_size, weights, frequency=False)["rgb"]

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        features = rescale(images)
        for stage in stages:
            features = stage(features)
        pooled = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(features)
        label = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="label")(pooled)
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)

        # Config
        self.backbone = backbone_config
        self.image_size = image_size
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "backbone": self.backbone,
            "image_size": self.image_size,
            "crop_margin": self.crop_margin,
            "crop_size": self.crop_size,
        }
