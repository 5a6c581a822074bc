"""Residual-based descriptor as a convolutional network: the LD-CNN of Tables 1 and 2."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import keras

from lrl_keras.layers import SoftCoOccurrence
from lrl_keras.models.centre import central_square, checked_square
from lrl_keras.models.detector import Detector, register_detector
from lrl_keras.models.linear_svm import fit_to_layer
from lrl_keras.system.options import Option


@register_detector("ld_cnn")
class LDCNN(Detector):
    """Soft co-occurrences of the central square of a face crop, and one dense layer; all trained.

    It begins as `StegFeatures`, with a softmax for the arg-max of the histograms, and is then
    trained by the gradient. `lrl_keras.layers.SoftCoOccurrence` starts as the code book, and
    `adapt` sets the dense layer to the linear SVM (C = 1, standardisation folded in) of the
    features that it then makes of the training faces. Their deviations are taken as one count of a
    histogram at least: less is the tail of the softmax alone. 8,637 parameters.

    The central square is cut, not resized. In records whose crops were resized the residuals are
    those of the interpolation too, which weakens the features: make them with an `--image-size` of
    about the usual size of the faces.

    Args:
        image_size: side S of the input in pixels, at least `side`. Defaults to `299`.
        side: of the central square, at least 16. Defaults to `128`.
        step: q of the quantiser that the start imitates, in levels of 0..255. Defaults to `2.0`.
        slope: of the softmax. Defaults to `8.0`.
        crop_margin, crop_size: see `lrl_keras.LRL`.

    Call arguments:
        images: float32 (B, S, S, 3), RGB, 0..255.
        training: not used.

    Returns:
        dict with `"label"`, float32 (B, 1): probability that the face is forged.

    Raises:
        ValueError: an argument out of range, or a square that does not fit into the input.

    Reference: Cozzolino, Poggi and Verdoliva, "Recasting Residual-Based Local Descriptors as
    Convolutional Neural Networks: An Application to Image Forgery Detection", IH&MMSec 2017; as a
    detector of forged faces Roessler et al., "FaceForensics++: Learning to Detect Manipulated
    Facial Images", ICCV 2019, from where are the 128 pixels, the rate 1e-5 and the batch of 16. The
    filters are those of public code of the authors. Slope, q, gray by BT.601, the constant rate,
    and whether both residuals were kept and filters shared are unknown: our defaults.
    """

    OPTIONS: ClassVar[dict[str, Option]] = {
        "image_size": Option(299, "side of the input, pixels", least=16, most=4096),
        "side": Option(128, "side of the central square, pixels", least=16, most=4096),
        "step": Option(
            2.0,
            "of the quantiser that the start imitates, in levels of 0..255",
            least=1e-3,
            most=255,
        ),
        "slope": Option(8.0, "of the softmax in place of counts", least=1e-3, most=1e6),
    }
    DEFAULTS: ClassVar[dict[str, Any]] = {
        "learning_rate": 1e-5,
        "batch_size": 16,
        "schedule": "constant",
        "weight_decay": 0.0,
        "augment": "none",
    }
    NOT_EXPORTED: ClassVar[dict[str, str]] = {
        "int8": "256 steps over the range of its residuals are coarser than what it tells apart"
    }

    def __init__(
        self,
        image_size: int = 299,
        side: int = 128,
        step: float = 2.0,
        slope: float = 8.0,
        crop_margin: float = 1.3,
        crop_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        image_size, side = checked_square(image_size, side)

        # Layers
        features = SoftCoOccurrence(step, slope, name="soft_co_occurrence")
        dense = keras.layers.Dense(
            1, "sigmoid", kernel_initializer="zeros", dtype="float32", name="label"
        )

        # Functional model
        images = keras.Input((image_size, image_size, 3), dtype="float32", name="images")
        label = dense(features(central_square(images, side)))
        super().__init__(inputs=images, outputs={"label": label}, **kwargs)

        # Config
        self.image_size = image_size
        self.side = side
        self.step = features.step
        self.slope = features.slope
        self.crop_margin = float(crop_margin)
        self.crop_size = int(crop_size or image_size)

    def adapt(self, batches: Iterable[tuple[Any, Any, Any]]) -> None:
        """Start the dense layer as the linear SVM of the features of the training faces.

        Args:
            batches: of `(images, targets, sample_weights)`, see `lrl_keras.data.load`.

        Raises:
            InputError: no faces of both classes.
        """
        count = 1 / (2 * (self.side - 8) ** 2)
        svm = fit_to_layer(self, "soft_co_occurrence", batches, least=count)
        kernel = svm.kernel / svm.deviation
        dense = self.get_layer("label")
        dense.kernel.assign(kernel[:, None])
        dense.bias.assign([svm.bias - svm.mean @ kernel])

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "image_size": self.image_size,
            "side": self.side,
            "step": self.step,
            "slope": self.slope,
            "crop_margin": self.crop_margin,
            "crop_size": self.crop_size,
        }
