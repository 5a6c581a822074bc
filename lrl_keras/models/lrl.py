"""Network of Local Relation Learning (Fig. 1, Sec. 3)."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import keras

from lrl_keras.layers import RFAM, BilinearResize, FrequencyFilter, PatchSimilarity
from lrl_keras.losses import SegmentationLoss, SimilarityLoss
from lrl_keras.models.backbones.stages import LEVELS, from_config, streams
from lrl_keras.models.backbones.table import options as backbone_options
from lrl_keras.models.decoder import DECODERS
from lrl_keras.models.decoder import decoder as build_decoder
from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option


@register_detector("lrl")
class LRL(Detector):
    """Network of Local Relation Learning for face forgery detection.

    The RGB face and its high-pass image pass through two streams, which attention fuses at three
    depths. The label is decided from the similarity of the patches of the fused map; a decoder
    predicts the manipulated region.

    Args:
        backbone: `"efficientnet_b4"`, `"efficientnet_b0"`, `"efficientnet_lite0"`,
            `"efficientnet_lite1"`, `"efficientnet_lite2"`, `"xception"`, `"mobilenet_v3_small"`,
            `"tiny"`, or a KerasCV or KerasHub backbone with the pyramid outputs P3, P4 and P5. Such
            an object provides its configuration and its weights; its input is raw pixels where it
            has a rescaling layer of its own, else [-1, 1]. Defaults to `"efficientnet_b4"`.
        image_size: side S of the input in pixels, at least 32. Defaults to `299`.
        patches: k, patches along each side of the face. Defaults to `5`. Patches of the high map
            have Ceil(H / k) pixels a side, where H is Ceil(S / 32). Unless k divides H, those at
            the lower and right border are smaller or empty, and do not coincide with the mask's.
            Sides that fit are 160, 299 and 320 for k = 5, and 128 and 256 for k = 4.
        alpha: size of the low-frequency triangle that is removed (Eq. 2). Defaults to `0.33`.
        weights: `None`, `"imagenet"`, or a weights file of the backbone without its top.
        frequency: `False` leaves out the frequency stream. Defaults to `True`.
        rfam: `False` concatenates the two streams instead of attending. Defaults to `None`:
            attend where there are two streams.
        similarity: `False` leaves out the MPSM: the label is decided from the mean of the high map
            alone, and there is no output `"similarity"`. Defaults to `True`.
        head_norm: whether the similarity is standardised before the dense layer, by one mean and
            one variance for all of its entries; `False` is the paper's head literally. Both heads
            are linear functions of the similarity, but its entries lie near 1 and rise and fall
            together, so that the dense layer alone learns slowly. Defaults to `True`.
        attend_streams: whether the attended maps feed the next stage. Defaults to `True`.
        decoder: `"light"` or `"deepfakebench"`. Defaults to `"light"`.
        crop_margin: side of the face crop over the longer side of the detected face, for
            prediction. Defaults to `1.3`.
        crop_size: side in pixels to which crops were resized in the training records, for
            prediction. Defaults to `image_size`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: whether BatchNormalization and dropout are in training mode.

    Returns:
        dict of float32: `"label"` (B, 1), probability that the face is forged; `"similarity"`
        (B, k², k²) in [0, 1]; `"mask"` (B, S, S, 1), probability that a pixel is forged.

    The rows of Table 4, top to bottom: `frequency=False, similarity=False`;
    `rfam=False, similarity=False`; `similarity=False`; `frequency=False`; all defaults.

    Reference: Fig. 1, Sec. 3.1 to 3.4.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        **backbone_options("efficientnet_b4"),
        "image_size": Option(299, "side of the input, pixels", least=32, most=4096),
        "patches": Option(5, "k, patches along each side", least=1, most=64),
        "alpha": Option(0.33, "low-frequency triangle that is filtered out", least=0, most=2),
        "decoder": Option("light", "of the mask", DECODERS),
        "frequency": Option(True, "the frequency stream (Table 4)"),
        "rfam": Option(
            None, "RFAM (Table 4)", type=bool, stated="on where there is a frequency stream"
        ),
        "similarity": Option(True, "MPSM (Table 4)"),
        "head_norm": Option(True, "standardise the similarity for the label"),
        "attend_streams": Option(True, "feed attended maps to the next stage"),
    }
    LOSS_OPTIONS: ClassVar[dict[str, Option]] = {
        **Detector.LOSS_OPTIONS,
        "similarity_weight": Option(10.0, "weight of the similarity loss", least=0, most=1e6),
        "mask_weight": Option(1.0, "weight of the mask loss", least=0, most=1e6),
        "similarity_norm": Option(False, "Eq. (10) literally"),
        "pixel_reduction": Option(
            "mean",
            "over the pixels in the mask loss; sum is Eq. (12) literally",
            ("mean", "sum"),
        ),
    }

    def __init__(
        self,
        backbone: str | keras.Model | dict[str, Any] = "efficientnet_b4",
        image_size: int = 299,
        patches: int = 5,
        alpha: float = 0.33,
        weights: str | os.PathLike[str] | None = None,
        frequency: bool = True,
        rfam: bool | None = None,
        similarity: bool = True,
        head_norm: bool = True,
        attend_streams: bool = True,
        decoder: str = "light",
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        backbone, backbone_config = from_config(backbone)
        if rfam is None:
            rfam = frequency
        if rfam and not frequency:
            raise ValueError(
                "RFAM attends to two streams. Received: rfam=True with frequency=False"
            )
        image_size = checked_integer("image_size", image_size, 32, 4096)
        patches = checked_integer("patches", patches, 1, 64)

        # Layers
        stages = streams(backbone, image_size, weights, frequency)
        high_pass = FrequencyFilter(alpha, name="frequency_filter") if frequency else None
        attention = {level: RFAM(attend_streams, name=f"rfam_{level}") for level in LEVELS if rfam}

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        rgb_scale, *rgb_stages = stages["rgb"]
        rgb = rgb_scale(images)
        if high_pass is not None:
            frequency_scale, *frequency_stages = stages["frequency"]
            high = frequency_scale(high_pass(images))
        fused = {}
        for index, level in enumerate(LEVELS):
            rgb = rgb_stages[index](rgb)
            if not frequency:
                fused[level] = rgb
                continue
            high = frequency_stages[index](high)
            if not rfam:
                joined = keras.layers.Concatenate(name=f"concatenate_{level}")
                fused[level] = joined([rgb, high]) if similarity or level == "high" else None
            elif attend_streams:
                fused[level], rgb, high = attention[level]([rgb, high])
            else:
                fused[level] = attention[level]([rgb, high])
        outputs = {}
        if similarity:
            features = self._multi_scale(fused)
            outputs["similarity"] = PatchSimilarity(patches, name="similarity")(features)
            evidence = outputs["similarity"]
            if head_norm:
                evidence = self._standardised(evidence)
            evidence = keras.layers.Flatten(name="flatten", dtype="float32")(evidence)
        else:
            features = fused["high"]
            evidence = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(features)
        outputs["label"] = keras.layers.Dense(
            1, activation="sigmoid", dtype="float32", name="label"
        )(evidence)
        outputs["mask"] = build_decoder(decoder, features.shape[1:], image_size)(features)
        super().__init__(inputs=images, outputs=outputs, **kwargs)

        # Config
        self.backbone = backbone_config
        self.image_size = image_size
        self.patches = patches
        self.alpha = float(alpha)
        self.frequency = frequency
        self.rfam = rfam
        self.similarity = similarity
        self.head_norm = bool(head_norm)
        self.attend_streams = attend_streams
        self.decoder = decoder
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    def objectives(
        self,
        label_weight: float = 1.0,
        similarity_weight: float = 10.0,
        mask_weight: float = 1.0,
        similarity_norm: bool = False,
        pixel_reduction: str = "mean",
    ) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the losses that the network is trained with (Eq. 10 to 13).

        Args:
            label_weight, similarity_weight, mask_weight: weights of the losses, Eq. (13).
            similarity_norm: `True` for Eq. (10) literally, see `SimilarityLoss`.
            pixel_reduction: `"sum"` for Eq. (12) literally, see `SegmentationLoss`.

        Returns:
            (losses, weights): dicts by output.
        """
        losses, weights = super().objectives(label_weight)
        if self.similarity:
            losses["similarity"] = SimilarityLoss(self.patches, norm=similarity_norm)
            weights["similarity"] = similarity_weight
        losses["mask"] = SegmentationLoss(pixel_reduction)
        weights["mask"] = mask_weight
        return losses, weights

    @staticmethod
    def _multi_scale(fused):
        """Concatenate the low and mid maps, resized, with the high one to U~ (Sec. 3.3)."""
        _, height, width, _ = fused["high"].shape
        maps = [
            BilinearResize(height, width, name=f"resize_{level}")(fused[level])
            for level in ("low", "mid")
        ]
        return keras.layers.Concatenate(name="multi_scale")([*maps, fused["high"]])

    @staticmethod
    def _standardised(similarity):
        """Normalise the similarity, as one channel, over the faces and patches of a batch."""
        channel = keras.layers.Reshape((*similarity.shape[1:], 1), name="entries", dtype="float32")
        # The variance begins at 1 and ends near 0.003. With Keras's momentum of 0.99 it lags in
        # a training of hundreds of steps: the AUC is the same, but 0.5 no longer is the threshold.
        norm = keras.layers.BatchNormalization(momentum=0.9, name="head_norm", dtype="float32")
        return norm(channel(similarity))

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "backbone": self.backbone,
            "image_size": self.image_size,
            "patches": self.patches,
            "alpha": self.alpha,
            "frequency": self.frequency,
            "rfam": self.rfam,
            "similarity": self.similarity,
            "head_norm": self.head_norm,
            "attend_streams": self.attend_streams,
            "decoder": self.decoder,
            "crop_margin": self.crop_margin,
            "crop_size": self.crop_size,
        }
