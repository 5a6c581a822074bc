"""Face X-ray: the border along which a face was blended into an image."""

from __future__ import annotations

import collections
import os
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar

import keras

from lrl_keras.layers import BilinearResize
from lrl_keras.losses import SegmentationLoss
from lrl_keras.models.backbones.hrnet import HRNETS
from lrl_keras.models.backbones.stages import from_config, streams
from lrl_keras.models.backbones.table import BACKBONES, STANDARDISED
from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option


@register_detector("face_xray")
class FaceXray(Detector):
    """Network that shows where a face was blended into an image, and scores the face by its mean.

    The backbone's maps, resized to the finest of them and concatenated, give one logit a pixel,
    resized to the image: sigmoid makes it the X-ray B. With M the weight of the blended face at a
    pixel, its target is

        B = 4 M (1 - M)

    which is 1 where both images count the same, and 0 inside, outside and in a real face. The label
    is decided from the mean of B alone. The published head gives it two logits and softmax; their
    difference through a sigmoid, as here, is the same.

    Args:
        backbone: `"hrnet_w18"`, `"hrnet_w32"` or `"hrnet_w48"`, which keep maps at the strides 4,
            8, 16 and 32 and start from random weights, as no others can be had here; or what
            `lrl_keras.LRL` takes, whose maps at the strides 8, 16 and 32 are used. Defaults to
            `"hrnet_w18"`.
        image_size: side S of the input in pixels, at least 32; with HRNet a multiple of 32.
            Defaults to `256`.
        weights: `None`, or a weights file of the backbone without its top; for other backbones than
            HRNet also `"imagenet"`. Defaults to `None`.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: whether BatchNormalization and dropout are in training mode.

    Returns:
        dict of float32: `"label"` (B, 1), probability that the face is forged; `"xray"`
        (B, S, S, 1) in [0, 1].

    Raises:
        ValueError: an argument out of range.
        InputError: weights that cannot be loaded.

    Reference: Li et al., "Face X-ray for More General Face Forgery Detection", CVPR 2020. Formula
    and losses (cross-entropy of every pixel, times 100, and of the label) are the authors', who
    took HRNet without naming its width. Known from code of others: the head, Adam at 2e-4, batches
    of 32, the backbone frozen for the first 50,000 of 200,000 steps. From memory: a rate that falls
    to 0 over the last 50,000; here it falls as half a cosine. Our defaults: the width, ImageNet's
    normalisation, nothing frozen, since random weights would be, and a label that rises with
    the mean from the start, with a weight of 10: a random weight would stay small, or negative, for
    thousands of steps. With pretrained weights, `head_epochs` of a quarter of the epochs is the
    authors'. Their images are blended from two persons' faces; `lrl-keras prepare self-blended
    --methods swap` is the nearest to them.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "backbone": Option("hrnet_w18", "of the X-ray", collections.ChainMap(BACKBONES, HRNETS)),
        "weights": Option(
            None,
            "none, or a weights file of the backbone; imagenet for those other than HRNet",
            type=str,
            stated="none",
        ),
        "image_size": Option(256, "side of the input, pixels", least=32, most=4096),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {"schedule": "cosine", "weight_decay": 0.0}
    LOSS_OPTIONS: ClassVar[dict[str, Option]] = {
        **Detector.LOSS_OPTIONS,
        "xray_weight": Option(100.0, "weight of the X-ray loss", least=0, most=1e6),
    }

    def __init__(
        self,
        backbone: str | keras.Model | dict[str, Any] = "hrnet_w18",
        image_size: int = 256,
        weights: str | os.PathLike[str] | None = None,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        backbone, backbone_config = from_config(backbone)
        image_size = checked_integer("image_size", image_size, 32, 4096)

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        maps = self._maps(images, backbone, image_size, weights)
        _, height, width, _ = maps[0].shape
        resized = [
            BilinearResize(height, width, name=f"resize_{level}")(x) for level, x in enumerate(maps)
        ]
        features = keras.layers.Concatenate(name="multi_scale")(resized)
        logits = keras.layers.Conv2D(1, 1, name="border_logits")(features)
        logits = BilinearResize(image_size, image_size, dtype="float32", name="border_up")(logits)
        xray = keras.layers.Activation("sigmoid", dtype="float32", name="border")(logits)
        mean = keras.layers.GlobalAveragePooling2D(name="border_mean", dtype="float32")(xray)
        rising = keras.initializers.Constant(10.0)
        label = keras.layers.Dense(
            1, "sigmoid", kernel_initializer=rising, dtype="float32", name="label"
        )(mean)
        super().__init__(inputs=images, outputs={"label": label, "xray": xray}, **kwargs)

        # Config
        self.backbone = backbone_config
        self.image_size = image_size
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)
        self._from_scratch = weights is None and backbone in HRNETS

    @staticmethod
    def _maps(images, backbone, image_size, weights):
        """Make the backbone's maps of `images`, the finest first."""
        if isinstance(backbone, str) and backbone in HRNETS:
            trunk = HRNETS[backbone](image_size, weights)
            scale, offset = (list(STANDARDISED[name]) for name in ("scale", "offset"))
            rescale = keras.layers.Rescaling(scale, offset, dtype="float32", name="rgb_scale")
            return trunk(rescale(images))
        rescale, *stages = streams(backbone, image_size, weights, frequency=False)["rgb"]
        maps = [rescale(images)]
        for stage in stages:
            maps.append(stage(maps[-1]))
        return maps[1:]

    def objectives(
        self, label_weight: float = 1.0, xray_weight: float = 100.0
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the losses that the network is trained with.

        Args:
            label_weight: weight of the label loss.
            xray_weight: weight of the cross-entropy of the X-ray, the mean over its pixels.

        Returns:
            (losses, weights): dicts by output.
        """
        losses, weights = super().objectives(label_weight)
        losses["xray"], weights["xray"] = SegmentationLoss(name="xray_loss"), xray_weight
        return losses, weights

    def adapt(self, batches: Iterable[tuple[Any, Any, Any]]) -> None:
        """Warn where an HRNet is to be trained from random weights; nothing is computed."""
        if self._from_scratch:
            warnings.warn(
                f"{self.backbone} starts from random weights, its authors' from ImageNet's, which "
                "cannot be had here: train it longer, give a file of weights, or take a backbone "
                "that has them, as efficientnet_b4 with the weights imagenet",
                stacklevel=2,
            )

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "backbone": self.backbone,
            "image_size": self.image_size,
            "crop_margin": self.crop_margin,
            "crop_size": self.crop_size,
        }
