"""Co-occurrences of residuals and a linear SVM: the Steg.Features of Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import keras
import numpy as np

from lrl_keras.layers import CoOccurrence
from lrl_keras.losses import SquaredHingeLoss
from lrl_keras.models.centre import central_square, checked_square
from lrl_keras.models.detector import Detector, register_detector
from lrl_keras.models.linear_svm import fit_to_layer
from lrl_keras.system.options import Option


@register_detector("steg_features")
class StegFeatures(Detector):
    """Features of steganalysis of the central square of a face crop, and a linear SVM.

    162 co-occurrences of the third-order residual (`lrl_keras.layers.CoOccurrence`), standardised,
    and one dense layer whose sigmoid makes a probability of the SVM's decision value; 0.5 is the
    SVM's threshold. 163 parameters, mean and variance of each feature beside them.

    `adapt` computes all of it: the statistics, and the minimum of the SVM's objective, squared
    hinge loss with C and an L2 penalty on weights and bias, as scikit-learn's `LinearSVC`. No
    gradient trains this detector, and a second epoch changes nothing.

    The central square is cut, not resized. In records whose crops were resized the residuals are
    those of the interpolation too, which weakens the features: make them with an `--image-size` of
    about the usual size of the faces.

    Args:
        image_size: side S of the input in pixels, at least `side`. Defaults to `299`.
        side: of the central square, at least 16. Defaults to `128`.
        step: q of the quantiser, in levels of 0..255. Defaults to `2.0`.
        svm_c: C of the SVM. Defaults to `1.0`.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255; rounded to whole numbers.
        training: not used.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the face is forged.

    Raises:
        ValueError: an argument out of range, or a square that does not fit into the input.

    Reference: Fridrich and Kodovsky, "Rich Models for Steganalysis of Digital Images", IEEE TIFS
    2012; as a detector of forged faces Roessler et al., "FaceForensics++: Learning to Detect
    Manipulated Facial Images", ICCV 2019, from where are the 128 pixels, the 162 features and the
    linear SVM. Residual and bins are those of public code of that paper's coauthors, q that of
    their Splicebuster. Gray by BT.601, standardisation, C and the sigmoid are our defaults.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "image_size": Option(299, "side of the input, pixels", least=16, most=4096),
        "side": Option(128, "side of the central square, pixels", least=16, most=4096),
        "step": Option(
            2.0, "of the residual's quantiser, in levels of 0..255", least=1e-3, most=255
        ),
        "svm_c": Option(1.0, "C of the linear SVM", least=1e-9, most=1e9),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "epochs": 1,
        "schedule": "constant",
        "weight_decay": 0.0,
        "augment": "none",
    }
    NOT_EXPORTED: ClassVar[dict[str, str]] = {
        "int8": "256 steps over the range of its residuals are coarser than its quantiser",
        "float16": "deviations of its features are below the range, and 163 weights not worth it",
    }

    def __init__(
        self,
        image_size: int = 299,
        side: int = 128,
        step: float = 2.0,
        svm_c: float = 1.0,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        image_size, side = checked_square(image_size, side)
        if not 0 < svm_c < np.inf:
            raise ValueError(f"`svm_c` must be above 0. Received: svm_c={svm_c}")

        # Layers
        features = CoOccurrence(step, name="co_occurrence")
        standardise = keras.layers.BatchNormalization(
            center=False, scale=False, epsilon=0.0, dtype="float32", name="standardise"
        )
        dense = keras.layers.Dense(1, activation="sigmoid", dtype="float32", name="label")

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        label = dense(standardise(features(central_square(images, side))))
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)
        # Fitted, not trained; `trainable` of the model sets all layers.
        standardise.trainable = dense.trainable = False

        # Config
        self.image_size = image_size
        self.side = side
        self.step = features.step
        self.svm_c = float(svm_c)
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    def objectives(self, label_weight: float = 1.0) -> tuple[dict[str, Any], dict[str, float]]:
        return {"label": SquaredHingeLoss()}, {"label": label_weight}

    def adapt(self, batches: Iterable[tuple[Any, Any, Any]]) -> None:
        """Standardise the features of the training faces, and fit the SVM to them.

        Args:
            batches: of `(images, targets, sample_weights)`, see `lrl_keras.data.load`.

        Raises:
            InputError: no faces of both classes.
        """
        svm = fit_to_layer(self, "co_occurrence", batches, self.svm_c)
        standardise, dense = self.get_layer("standardise"), self.get_layer("label")
        standardise.moving_mean.assign(svm.mean)
        standardise.moving_variance.assign(svm.deviation**2)
        dense.kernel.assign(svm.kernel[:, None])
        dense.bias.assign([svm.bias])

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "image_size": self.image_size,
            "side": self.side,
            "step": self.step,
            "svm_c": self.svm_c,
            "crop_margin": self.crop_margin,
            "crop_size": self.crop_size,
        }
