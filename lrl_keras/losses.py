"""Similarity (Eq. 10, Sec. 3.3), label (Eq. 11) and segmentation loss (Eq. 12, Sec. 3.4).

`LRL.objectives` has their weights (Eq. 13). The others are those of compared systems.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from lrl_keras.layers.centre_distance import checked_radii
from lrl_keras.layers.patch_similarity import check_patches, similarity_target


@keras.saving.register_keras_serializable("lrl_keras")
class SimilarityLoss(keras.losses.Loss):
    """Distance between the predicted similarity of patches and its target.

    The target s is computed from the mask (Eq. 9), so the mask is the only supervision.

    Args:
        patches: k, the patches along each side. Defaults to `5`.
        norm: `False` takes the mean of `(s - s^)²` over the k² x k² entries, `True` the L2 norm
            `|s - s^|_2` of Eq. (10) literally (with a gradient of 0 where they are equal).
            Defaults to `False`, which weighs the same for every k.
        reduction: how the batch is reduced, as in every Keras loss.

    Call arguments:
        y_true: mask (B, H, W, 1) in [0, 1], 1 = forged; H and W static.
        y_pred: similarity (B, k², k²) in [0, 1].

    Reference: Eq. (9)-(10), Sec. 3.3.
    """

    def __init__(
        self,
        patches: int = 5,
        norm: bool = False,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "similarity_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.patches = check_patches(patches)
        self.norm = bool(norm)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        error = similarity_target(y_true, self.patches) - ops.cast(y_pred, "float32")
        if not self.norm:
            return ops.mean(ops.square(error), axis=(1, 2))
        squares = ops.sum(ops.square(error), axis=(1, 2))
        # The gradient of sqrt is infinite at 0, and the unselected side of `where` counts too.
        positive = squares > 0
        return ops.where(positive, ops.sqrt(ops.where(positive, squares, 1.0)), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "patches": self.patches, "norm": self.norm}


@keras.saving.register_keras_serializable("lrl_keras")
class LabelLoss(keras.losses.Loss):
    """Binary cross-entropy of the probability that a face is forged.

    Args:
        reduction: how the batch is reduced, as in every Keras loss.

    Call arguments:
        y_true: (B, 1) in [0, 1], 1 = forged.
        y_pred: (B, 1) in [0, 1].

    Reference: Eq. (11), Sec. 3.4.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "label_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.mean(_binary_crossentropy(y_true, y_pred), axis=-1)


@keras.saving.register_keras_serializable("lrl_keras")
class SquaredHingeLoss(keras.losses.Loss):
    """Squared hinge loss of the logit f of a probability: max(0, 1 - y f)², y in {-1, 1}.

    It is the loss of a linear SVM whose decision value is f.

    Args:
        reduction: how the batch is reduced, as in every Keras loss.

    Call arguments:
        y_true: (B, 1) of 0 and 1, 1 = forged.
        y_pred: (B, 1) in [0, 1].
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "squared_hinge_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = getattr(y_pred, "_keras_logits", None)
        if logits is None:
            inside = ops.clip(y_pred, keras.config.epsilon(), 1 - keras.config.epsilon())
            logits = ops.log(inside / (1 - inside))
        margins = (2 * ops.cast(y_true, "float32") - 1) * ops.cast(logits, "float32")
        return ops.mean(ops.square(ops.relu(1 - margins)), axis=-1)


@keras.saving.register_keras_serializable("lrl_keras")
class SegmentationLoss(keras.losses.Loss):
    """Binary cross-entropy of every pixel of the predicted mask, one value per face.

    Args:
        pixel_reduction: `"mean"` or `"sum"` over the pixels of a face. Eq. (12) is the sum, which
            at 299 x 299 pixels outweighs the other two losses. Defaults to `"mean"`.
        reduction: how the batch is reduced, as in every Keras loss.

    Call arguments:
        y_true: mask (B, H, W, 1) in [0, 1], 1 = forged.
        y_pred: predicted mask (B, H, W, 1) in [0, 1].

    Reference: Eq. (12), Sec. 3.4.
    """

    def __init__(
        self,
        pixel_reduction: str = "mean",
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "segmentation_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        if pixel_reduction not in ("mean", "sum"):
            raise ValueError(
                "`pixel_reduction` must be 'mean' or 'sum'. "
                f"Received: pixel_reduction={pixel_reduction!r}"
            )
        self.pixel_reduction = pixel_reduction

    def call(self, y_true: Any, y_pred: Any) -> Any:
        reduce = ops.mean if self.pixel_reduction == "mean" else ops.sum
        return reduce(_binary_crossentropy(y_true, y_pred), axis=(1, 2, 3))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pixel_reduction": self.pixel_reduction}


@keras.saving.register_keras_serializable("lrl_keras")
class IsolateLoss(keras.losses.Loss):
    """Loss that draws real faces to a centre and keeps forged ones away from it.

    With d the distance of an embedding to the centre:

        mean over real of max(0, d - r_real) + mean over forged of max(0, r_fake - d)

    Both means count the same, however many real and forged ones a batch holds; that of none is 0.

    Args:
        r_real, r_fake: those of the `lrl_keras.layers.CentreDistance` that made `y_pred`, from
            which d is computed again. Default to `0.042` and `1.638`.
        reduction: how the batch is reduced, as in every Keras loss. With the default,
            `"sum_over_batch_size"`, the result is the sum above.

    Call arguments:
        y_true: (B, 1) of 0 and 1, 1 = forged.
        y_pred: (B, 1) in [0, 1], of `CentreDistance`. Where Keras keeps the logits with it (on
            TensorFlow in training), d is exact; otherwise it is cut off where the probability
            comes within 1e-7 of 0 or 1.

    Reference: Masi et al., "Two-branch Recurrent Network for Isolating Deepfakes in Videos",
    ECCV 2020, Eq. (2).
    """

    def __init__(
        self,
        r_real: float = 0.042,
        r_fake: float = 1.638,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "isolate_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.r_real, self.r_fake = checked_radii(r_real, r_fake)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        logits = getattr(y_pred, "_keras_logits", None)
        if logits is None:
            score = ops.clip(ops.cast(y_pred, "float32"), 1e-7, 1 - 1e-7)
            logits = ops.log(score) - ops.log1p(-score)
        between = self.r_fake - self.r_real
        distance = logits * (between / 4) + (self.r_real + self.r_fake) / 2
        forged = ops.cast(y_true, "float32")
        real = 1 - forged
        # The mean over the batch of these is the sum of the two means.
        size = ops.sum(forged) + ops.sum(real)
        of_real = real * (size / ops.maximum(ops.sum(real), 1.0))
        of_forged = forged * (size / ops.maximum(ops.sum(forged), 1.0))
        losses = of_real * ops.relu(distance - self.r_real)
        losses = losses + of_forged * ops.relu(self.r_fake - distance)
        return ops.mean(losses, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "r_real": self.r_real, "r_fake": self.r_fake}


def _binary_crossentropy(y_true, y_pred):
    """Compute -y ln p - (1 - y) ln (1 - p) of each entry, in float32."""
    y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
    # Computed from the logits x of p = sigmoid(x) where Keras has kept them, as Keras does. But the
    # gradient of Keras's formula is a sum of four terms, which TensorFlow adds in any order, even
    # in deterministic mode, so that the last bits differ from run to run. This one has two terms.
    logits = getattr(y_pred, "_keras_logits", None)
    if logits is None:
        return ops.binary_crossentropy(y_true, y_pred)
    # The probability may feed other outputs: a tensor of their own keeps the two apart from these.
    logits = ops.copy(logits)
    return y_true * ops.softplus(-logits) + (1 - y_true) * ops.softplus(logits)
