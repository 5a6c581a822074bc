"""Probability of a forgery from the distance to the centre of real faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("lrl_keras")
class CentreDistance(keras.layers.Layer):
    """Probability of a forgery, from the distance of an embedding to a fixed centre.

        d     = |f - c|
        label = sigmoid(4 (d - (r_real + r_fake) / 2) / (r_fake - r_real))

    It is one half in the middle between the two radii. The centre c is not trained: it starts at
    0, and `centre` may be assigned. All is computed in float32 under every dtype policy. The
    gradient is 0 where f equals c.

    Args:
        r_real: radius of the sphere around c that real faces belong into, at least 0. Defaults to
            `0.042`.
        r_fake: radius of the sphere around c that forged faces belong out of, above `r_real`.
            Defaults to `1.638`.

    Call arguments:
        embeddings: (B, D) with D static.

    Returns:
        float32 (B, 1) in [0, 1].

    Reference: Masi et al., "Two-branch Recurrent Network for Isolating Deepfakes in Videos",
    ECCV 2020: distance and radii. The probability is ours.
    """

    def __init__(self, r_real: float = 0.042, r_fake: float = 1.638, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.r_real, self.r_fake = checked_radii(r_real, r_fake)

    def build(self, input_shape: Sequence[int | None]) -> None:
        if len(input_shape) != 2 or input_shape[-1] is None:
            raise ValueError(
                "Expected embeddings of shape (B, D) with D known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.centre = self.add_weight(
            shape=(input_shape[-1],),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
            name="centre",
        )

    def call(self, embeddings: Any) -> Any:
        away = ops.cast(embeddings, "float32") - self.centre
        squares = ops.sum(ops.square(away), axis=-1, keepdims=True)
        # The gradient of sqrt is infinite at 0, and the unselected side of `where` counts too.
        positive = squares > 0
        distance = ops.where(positive, ops.sqrt(ops.where(positive, squares, 1.0)), 0.0)
        middle, slope = (self.r_fake + self.r_real) / 2, 4 / (self.r_fake - self.r_real)
        # This one keeps the logits for the loss.
        return keras.activations.sigmoid((distance - middle) * slope)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        return (input_shape[0], 1)

    def compute_output_spec(self, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(embeddings.shape), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "r_real": self.r_real, "r_fake": self.r_fake}


def checked_radii(r_real: float, r_fake: float) -> tuple[float, float]:
    """Return both radii as float.

    Raises:
        ValueError: unless 0 <= r_real < r_fake.
    """
    if not 0 <= r_real < r_fake:
        raise ValueError(
            f"Expected radii with 0 <= r_real < r_fake. Received: r_real={r_real}, r_fake={r_fake}"
        )
    return float(r_real), float(r_fake)
