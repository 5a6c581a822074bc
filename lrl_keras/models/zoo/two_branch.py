"""Two-branch recurrent network, which isolates forged sequences of faces."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from lrl_keras.layers import CentreDistance, LaplacianOfGaussian
from lrl_keras.losses import IsolateLoss
from lrl_keras.models.backbones import densenet
from lrl_keras.models.backbones.table import STANDARDISED
from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option

_LONGEST = max(densenet.BLOCKS)


@register_detector("two_branch")
class TwoBranch(Detector):
    """DenseNet with a second branch of band-passed maps, and an LSTM over the frames of a clip.

    Two branches of unshared weights read each face: stem, first dense block and transition of
    DenseNet-121, and in the second a `LaplacianOfGaussian` behind the stem. A 1 x 1 convolution of
    two groups, each of which sees half of both branches, fuses them; the other three blocks and a
    bidirectional LSTM follow, whose last outputs both ways are the embedding of the sequence.
    There is no classifier: the label follows from the embedding's distance to a centre, the mean
    embedding of real sequences before training, which `adapt` computes. Until then it is 0.

    A sequence is F faces of one clip, as records hold them, in the order of time. A clip of fewer
    than F repeats each of them evenly.

    Args:
        image_size: side S of the input in pixels, at least 32. Defaults to `224`.
        frames: F, faces of a sequence, at least 2. Defaults to `10`.
        growth: channels that a dense layer adds, at least 4; the stem has twice as many. Defaults
            to `32`, that of DenseNet-121.
        depth: dense layers of the longest block, 1 to 96; the other blocks are shorter in
            proportion. Defaults to `24`, that of DenseNet-121: blocks of 6, 12, 24 and 16.
        units: of the LSTM, each way, at least 2. Defaults to `128`.
        dropout: rate behind each dense layer, below 1. Defaults to `0.2`.
        r_real, r_fake: radii of the spheres that real sequences belong into and forged ones out
            of, see `CentreDistance`. Default to `0.042` and `1.638`.
        weights: `None`, `"imagenet"`, or a weights file of `keras.applications.DenseNet121` without
            its top, for both branches and the other blocks; for the default growth and depth alone.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, F, S, S, 3), RGB, 0..255.
        training: whether BatchNormalization and dropout are in training mode.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the sequence is forged, one half where
        the distance is in the middle between the radii.

    Reference: Masi et al., "Two-branch Recurrent Network for Isolating Deepfakes in Videos",
    ECCV 2020. The paper has branches, LSTM, dropout, loss and radii, the numbers of channels, the
    rates of the blocks, the global rate and the weight decay. Our defaults are the inner of the
    filter (see there), which channels a group sees, the bias of 1 x 1 convolutions, the numbering
    of the blocks' rates, uniform weights of the LSTM within 1 / sqrt(units), batches of 8, and the
    schedule: halving every 20 of 200 epochs falls by the paper's three divisions by 10, which
    there wait until the validation loss has not fallen for 50 epochs. The probability is ours.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "weights": Option(
            "imagenet", "imagenet, none, or a weights file of DenseNet-121", optional=True
        ),
        "image_size": Option(224, "side of the input, pixels", least=32, most=4096),
        "frames": Option(10, "faces of a sequence", least=2, most=1000),
        "growth": Option(32, "channels that a dense layer adds", least=4, most=512),
        "depth": Option(_LONGEST, "dense layers of the longest block", least=1, most=96),
        "units": Option(128, "of the LSTM, each way", least=2, most=4096),
        "dropout": Option(0.2, "rate behind each dense layer", least=0, most=0.95),
        "r_real": Option(0.042, "radius of real sequences", least=0, most=1e3),
        "r_fake": Option(1.638, "radius that forged sequences stay out of", least=1e-6, most=1e3),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "learning_rate": 1e-3,
        "weight_decay": 1e-6,
        "batch_size": 8,
        "epochs": 200,
        "halve_every": 20,
    }

    # Half that of the next block, towards the image; the band-pass, its block, the fusion and the
    # LSTM have the global rate.
    STEP_FACTORS: ClassVar[dict[str, float]] = {
        **{name: 1 / 2 for name in ("conv5_", "bn/")},
        **{name: 1 / 4 for name in ("conv4_", "pool4_")},
        **{name: 1 / 8 for name in ("conv3_", "pool3_")},
        **{name: 1 / 16 for name in ("rgb_", "log_conv1_")},
    }

    def __init__(
        self,
        image_size: int = 224,
        frames: int = 10,
        growth: int = densenet.GROWTH,
        depth: int = _LONGEST,
        units: int = 128,
        dropout: float = 0.2,
        r_real: float = 0.042,
        r_fake: float = 1.638,
        weights: str | os.PathLike[str] | None = None,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        image_size = checked_integer("image_size", image_size, 32, 4096)
        frames = checked_integer("frames", frames, 2, 1000)
        growth = checked_integer("growth", growth, 4, 512)
        depth = checked_integer("depth", depth, 1, 96)
        units = checked_integer("units", units, 2, 4096)
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        if weights is not None and (growth, depth) != (densenet.GROWTH, _LONGEST):
            raise ValueError(
                f"Weights of DenseNet-121 fit growth={densenet.GROWTH} and depth={_LONGEST} alone; "
                f"leave `weights=None`. Received: growth={growth}, depth={depth}"
            )

        # Layers
        parts = _parts(image_size, growth, depth, dropout)
        if weights is not None:
            prefixes = {"rgb": "rgb_", "trunk": ""}
            densenet.load(
                [(part, prefixes.get(name, "log_")) for name, part in parts.items()], weights
            )
        rescale = keras.layers.Rescaling(
            *(list(STANDARDISED[name]) for name in ("scale", "offset")),
            dtype="float32",
            name="rgb_scale",
        )
        band_pass = LaplacianOfGaussian(2 * growth, name="log_filter")
        uniform = keras.initializers.RandomUniform(-(units**-0.5), units**-0.5)
        lstm = keras.layers.LSTM(
            units,
            kernel_initializer=uniform,
            recurrent_initializer=uniform.clone(),
            # Loops and cuDNN's layer are no operations of the export formats.
            unroll=True,
            use_cudnn=False,
            dtype="float32",
            name="lstm",
        )

        # Functional model
        images = keras.Input((frames, image_size, image_size, 3), dtype="float32", name="images")
        faces = rescale(ops.reshape(images, (-1, image_size, image_size, 3)))
        rgb = parts["rgb"](faces)
        high = parts["log_block"](band_pass(parts["log_stem"](faces)))
        features = parts["trunk"](_fused(rgb, high))
        pooled = keras.layers.GlobalAveragePooling2D(name="pool", dtype="float32")(features)
        pooled = ops.reshape(pooled, (-1, frames, pooled.shape[-1]))
        embedding = keras.layers.Bidirectional(lstm, dtype="float32", name="embedding")(pooled)
        label = CentreDistance(r_real, r_fake, name="label")(embedding)
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)

        # Config
        self.image_size = image_size
        self.frames = frames
        self.growth = growth
        self.depth = depth
        self.units = units
        self.dropout = float(dropout)
        self.r_real, self.r_fake = float(r_real), float(r_fake)
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    def objectives(self, label_weight: float = 1.0) -> tuple[dict[str, Any], dict[str, float]]:
        return {"label": IsolateLoss(self.r_real, self.r_fake)}, {"label": label_weight}

    def adapt(self, batches: Iterable[tuple[Any, Any, Any]]) -> None:
        """Make the mean embedding of all real sequences the centre, by the weights as they are.

        Raises:
            ValueError: there is no real one.
        """
        layer = self.get_layer("label")
        embed = keras.Model(self.input, layer.input)
        total, count = np.zeros(layer.centre.shape), 0
        for images, targets, *_ in batches:
            real = ops.convert_to_numpy(targets["label"])[:, 0] == 0
            found = ops.convert_to_numpy(embed.predict_on_batch(images))[real]
            total, count = total + found.sum(axis=0, dtype=np.float64), count + len(found)
        if not count:
            raise ValueError("Expected batches with real sequences. Received none of them")
        layer.centre.assign(total / count)

    def get_config(self) -> dict[str, Any]:
        names = (
            "name", "image_size", "frames", "growth", "depth", "units", "dropout", "r_real",
            "r_fake", "crop_margin", "crop_size",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


def _parts(image_size, growth, depth, dropout):
    """Make the parts of DenseNet as models by name: rgb, log_stem, log_block and trunk."""
    first, *others = [-(-count * depth // _LONGEST) for count in densenet.BLOCKS]

    def block(x, prefix):
        x = densenet.dense_block(x, first, growth, dropout, f"{prefix}conv2")
        return densenet.transition(x, f"{prefix}pool2")

    faces = keras.Input((image_size, image_size, 3))
    stems = {prefix: densenet.stem(faces, growth, prefix) for prefix in ("rgb_", "log_")}
    maps = keras.Input(stems["log_"].shape[1:])
    rgb, high = block(stems["rgb_"], "rgb_"), block(maps, "log_")
    x = fused = keras.Input(rgb.shape[1:])
    for number, count in enumerate(others, 3):
        x = densenet.dense_block(x, count, growth, dropout, f"conv{number}")
        x = densenet.transition(x, f"pool{number}") if number < 5 else densenet.end(x)
    return {
        "rgb": keras.Model(faces, rgb, name="rgb"),
        "log_stem": keras.Model(faces, stems["log_"], name="log_stem"),
        "log_block": keras.Model(maps, high, name="log_block"),
        "trunk": keras.Model(fused, x, name="trunk"),
    }


def _fused(*branches):
    """Fuse maps by a 1 x 1 convolution of two groups, each of half of the channels of each.

    Two convolutions: TensorFlow has no gradient of grouped ones on a CPU.
    """
    channels = branches[0].shape[-1]
    halves = [ops.split(maps, [channels // 2], axis=-1) for maps in branches]
    join = keras.layers.Concatenate
    groups = [
        keras.layers.Conv2D(parts[0].shape[-1], 1, name=f"fusion_{number}")(
            join(name=f"group_{number}")(list(parts))
        )
        for number, parts in enumerate(zip(*halves, strict=True))
    ]
    return join(name="fusion")(groups)
