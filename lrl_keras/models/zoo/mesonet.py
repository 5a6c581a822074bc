"""MesoNet's two networks; MesoInception-4 is the 'MesoNet' of Tables 1 and 2."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from lrl_keras.models.detector import Detector, checked_integer, register_detector
from lrl_keras.system.options import Option

# Filters of the four branches of each inception module.
_BRANCHES = ((1, 4, 4, 2), (2, 4, 4, 2))


class _MesoNet(Detector):
    """What both networks have in common; they differ in the first two stages of four.

    Convolutions and norms are numbered in the order in which the authors' code makes them.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "image_size": Option(256, "side of the input, pixels", least=32, most=4096),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "learning_rate": 1e-3,
        "schedule": "tenth",
        "batch_size": 76,
        "weight_decay": 0.0,
    }
    _EARLY: ClassVar[int]  # Convolutions in the first two stages.

    def __init__(
        self,
        image_size: int = 256,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        image_size = checked_integer("image_size", image_size, 32, 4096)

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        x = self._early(images / 255)
        x = self._normalised(self._conv(x, self._EARLY + 1, 16, 5), 3, 2)
        x = self._normalised(self._conv(x, self._EARLY + 2, 16, 5), 4, 4)
        x = keras.layers.Flatten(name="flatten")(x)
        x = keras.layers.Dropout(0.5, name="dropout1")(x)
        x = keras.layers.Dense(16, name="dense1")(x)
        x = keras.layers.LeakyReLU(negative_slope=0.1, name="leaky_relu")(x)
        x = keras.layers.Dropout(0.5, name="dropout2")(x)
        label = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="label")(x)
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)

        # Config
        self.image_size = image_size
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    def _early(self, x):
        """Apply the stages 1 and 2, which take maps to a quarter of their side."""
        raise NotImplementedError

    @staticmethod
    def _conv(x, number, filters, size, dilation=1):
        return keras.layers.Conv2D(
            filters,
            size,
            dilation_rate=dilation,
            padding="same",
            activation="relu",
            name=f"conv{number}",
        )(x)

    @staticmethod
    def _normalised(x, number, pool):
        x = keras.layers.BatchNormalization(name=f"norm{number}")(x)
        return keras.layers.MaxPooling2D(pool, padding="same", name=f"pool{number}")(x)

    def objectives(self, label_weight: float = 1.0) -> tuple[dict[str, Any], dict[str, float]]:
        """Return the mean squared error of the label's probability.

        Args:
            label_weight: weight of the label loss.

        Returns:
            (losses, weights): dicts by output.
        """
        loss = keras.losses.MeanSquaredError(name="label_loss")
        return {"label": loss}, {"label": label_weight}

    def get_config(self) -> dict[str, Any]:
        names = ("name", "image_size", "crop_margin", "crop_size")
        return {name: getattr(self, name) for name in names}


@register_detector("meso4")
class Meso4(_MesoNet):
    """Meso-4: four convolutions, each with ReLU, normalisation and maximum pooling.

    Pixels / 255; 8 3 x 3 kernels, pooling by 2; 8 5 x 5, by 2; 16 5 x 5, by 2; 16 5 x 5, by 4;
    dropout 0.5; a dense layer of 16 with LeakyReLU 0.1; dropout 0.5; the label. ReLU stands
    before the normalisation. It is trained with the mean squared error of the probability.

    Args:
        image_size: side S of the input in pixels, at least 32. Defaults to `256`.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: whether BatchNormalization and dropout are in training mode.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the face is forged. The authors'
        networks give that of a real one; `lrl-keras convert mesonet` turns theirs round.

    Reference: Afchar et al., "MesoNet: a Compact Facial Video Forgery Detection Network", WIFS
    2018. Layers, loss and Adam with 1e-3 are those of the authors' code. The batch of 76 and a
    rate that falls to a tenth each epoch, down to 1e-6, are quoted from Roessler et al.,
    "FaceForensics++", ICCV 2019, for MesoInception-4; the authors had 75 and 1,000 steps. Theirs
    that are left out: the crop, twice as large and turned upright, and zoom, rotation, brightness
    and hue in training.
    """

    _EARLY = 2

    def _early(self, x):
        x = self._normalised(self._conv(x, 1, 8, 3), 1, 2)
        return self._normalised(self._conv(x, 2, 8, 5), 2, 2)


@register_detector("meso_inception4")
class MesoInception4(_MesoNet):
    """MesoInception-4: Meso-4 with two inception modules in place of its first convolutions.

    A module joins four branches: 1 x 1; 1 x 1, then 3 x 3; and twice the same with kernels dilated
    by 2 and by 3. Each convolution has a bias and ReLU; behind a module come normalisation
    and pooling by 2. All else, also arguments, result and training, is as in `Meso4`.

    Reference: as `Meso4`. FaceForensics++'s 'MesoNet' is taken to be this one, from memory. PyTorch
    ports that share a normalisation between convolutions are other networks.
    """

    _EARLY = 14

    def _early(self, x):
        for module, (direct, *others) in enumerate(_BRANCHES):
            first = 7 * module + 1
            branches = [self._conv(x, first, direct, 1)]
            for dilation, filters in enumerate(others, start=1):
                if dilation < 3:
                    # TensorFlow adds the gradients of three or more branches in any order, so that
                    # a resumed training would end in other weights. So no more than two read `x`.
                    x = x + 0.0
                reduced = self._conv(x, first + 2 * dilation - 1, filters, 1)
                branches.append(self._conv(reduced, first + 2 * dilation, filters, 3, dilation))
            x = keras.layers.Concatenate(name=f"concatenate{module + 1}")(branches)
            x = self._normalised(x, module + 1, 2)
        return x
