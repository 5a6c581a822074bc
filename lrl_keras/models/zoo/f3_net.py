"""F3-Net, which looks for forgeries in the frequencies of a face."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import keras

from lrl_keras.layers import FAD, LFS, MixBlock
from lrl_keras.models.backbones.table import options as backbone_options
from lrl_keras.models.backbones.xception import pretrained, xception_stages
from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option


@register_detector("f3_net")
class F3Net(Detector):
    """Two Xceptions, on the bands of the face's frequencies and on their local statistics.

    The one stream reads the face decomposed into bands of frequencies (`lrl_keras.layers.FAD`), the
    other how strong each band of frequencies is around each pixel (`LFS`). After the residual
    blocks 7 and 12 cross attention (`MixBlock`) exchanges between them. The means of both last
    maps are concatenated, and one dense layer scores them.

    Args:
        image_size: side S of the input in pixels, at least 48. With `mix`, S modulo 16 must not be
            7, 8 or 9, for which the maps of the two streams differ in size. Defaults to `299`.
        fad: `False` leaves out the stream of the decomposed face. Defaults to `True`.
        lfs: `False` leaves out the stream of the local statistics. Defaults to `True`.
        mix: `False` leaves out the cross attention. Defaults to `None`: where there are both
            streams.
        bands: `3`, the paper's, or `4`, the repository's, see `FAD`. Defaults to `3`.
        log_of_sum: `True` for the paper's statistics, `False` for the repository's, see `LFS`.
            Defaults to `True`.
        width: channels of both Xceptions in percent of the original's, from 25 to 100. Defaults to
            `100`.
        weights: `None`, `"imagenet"`, or a weights file of `keras.applications.Xception` without
            its top, for both Xceptions; needs `width=100`. Defaults to `None`.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: whether BatchNormalization and dropout are in training mode.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the face is forged.

    Raises:
        ValueError: on arguments that contradict each other.
        InputError: where the weights cannot be loaded.

    The rows of the paper's ablation: `lfs=False`; `fad=False`; `mix=False`; all defaults.

    Reference: Qian et al., "Thinking in Frequency: Face Forgery Detection by Mining Frequency-aware
    Clues", ECCV 2020. Three bands, the order of sum and logarithm and the cosine schedule are the
    paper's; all other details are those of public code: masks, padding and dropout of
    `yyk-wew/F3Net`, the places of the cross attention of `Leminhbinh0209/F3Net`. The paper trains
    by SGD in batches of 128. Adam, with LRL's rate, batch and epochs, is our default.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "weights": backbone_options("xception")["weights"],
        "image_size": Option(299, "side of the input, pixels", least=48, most=4096),
        "fad": Option(True, "the stream of the face decomposed into bands of frequencies"),
        "lfs": Option(True, "the stream of local frequency statistics"),
        "mix": Option(
            None, "cross attention between them", type=bool, stated="on where there are both"
        ),
        "bands": Option(3, "of frequencies: 3, the paper's, 4, the code's", least=3, most=4),
        "log_of_sum": Option(True, "local statistics in the paper's order, not the code's"),
        # TensorFlow with oneDNN crashed in training narrower ones on maps of some odd sides.
        "width": Option(100, "channels in percent of Xception's", least=25, most=100),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "weight_decay": 0.0,
        "schedule": "cosine",
    }

    def __init__(
        self,
        image_size: int = 299,
        fad: bool = True,
        lfs: bool = True,
        mix: bool | None = None,
        bands: int = 3,
        log_of_sum: bool = True,
        width: int = 100,
        weights: str | os.PathLike[str] | None = None,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        image_size = checked_integer("image_size", image_size, 48, 4096)
        bands = checked_integer("bands", bands, 3, 4)
        width = checked_integer("width", width, 25, 100)
        if not (fad or lfs):
            raise ValueError("One stream at least is needed. Received: fad=False with lfs=False")
        if mix is None:
            mix = fad and lfs
        if mix and not (fad and lfs):
            raise ValueError(
                "Cross attention needs both streams; leave out `mix`. "
                f"Received: mix=True with fad={fad}, lfs={lfs}"
            )
        if weights is not None and width != 100:
            raise ValueError(
                "Weights fit `width=100` alone; use `weights=None`, `--weights none`, with others. "
                f"Received: weights={str(weights)!r} with width={width}"
            )

        # Layers
        rescale = keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="rgb_scale")
        kinds: dict[str, tuple[keras.layers.Layer, int]] = {}
        if fad:
            kinds["fad"] = FAD(bands, name="decomposition"), 2
        if lfs:
            # The statistics are made at half of the resolution.
            kinds["lfs"] = LFS(log_of_sum=log_of_sum, name="statistics"), 1

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        scaled = rescale(images)
        arrays = pretrained(weights)
        maps, stages = {}, {}
        for name, (transform, strides) in kinds.items():
            maps[name] = transform(scaled)
            shape = maps[name].shape[1:]
            stages[name] = xception_stages(name, shape, strides, width, arrays)
        for index, level in enumerate(("mix_7", "mix_12", None)):
            maps = {name: stages[name][index](x) for name, x in maps.items()}
            if mix and level:
                self._check_sides(image_size, *maps.values())
                mixed = MixBlock(name=level)(list(maps.values()))
                maps = dict(zip(maps, mixed, strict=True))
        means = [
            keras.layers.GlobalAveragePooling2D(name=f"{name}_pool", dtype="float32")(x)
            for name, x in maps.items()
        ]
        if len(means) > 1:
            means = [keras.layers.Concatenate(name="concatenate", dtype="float32")(means)]
        features = keras.layers.Dropout(0.2, name="dropout", dtype="float32")(means[0])
        label = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="label")(features)
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)

        # Config
        self.image_size = image_size
        self.fad = bool(fad)
        self.lfs = bool(lfs)
        self.mix = bool(mix)
        self.bands = bands
        self.log_of_sum = bool(log_of_sum)
        self.width = width
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    @staticmethod
    def _check_sides(image_size, first, second):
        if first.shape != second.shape:
            raise ValueError(
                "Cross attention needs maps of the same size, but those of the streams have sides "
                f"of {first.shape[1]} and {second.shape[1]} pixels; use a multiple of 16, 299, or "
                f"mix=False (`--no-mix`). Received: image_size={image_size}"
            )

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "image_size": self.image_size,
            "fad": self.fad,
            "lfs": self.lfs,
            "mix": self.mix,
            "bands": self.bands,
            "log_of_sum": self.log_of_sum,
            "width": self.width,
            "crop_margin": self.crop_margin,
            "crop_size": self.crop_size,
        }
