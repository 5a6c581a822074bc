"""Cross attention between the two streams of F3-Net."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("lrl_keras")
class MixBlock(keras.layers.Layer):
    """Cross attention: each of two streams is given what attention selects of the other.

    With X_1 and X_2 the maps of the streams, Q_s and K_s their queries and keys (1 x 1
    convolutions, C channels each), every channel has one attention map for both streams, from
    products of H x W and W x H matrices, H = W:

        A   = softmax over columns (Q_1 K_1ᵀ + Q_2 K_2ᵀ)
        Y_1 = X_1 + BatchNorm(DepthwiseConv_1x1(X_2 * A * (2 sigmoid(gamma_2) - 1)))

    and Y_2 with 1 and 2 exchanged. The scalars gamma are learnt and begin at 0, where nothing is
    exchanged. Products and softmax are computed in float32 under every dtype policy.

    Call arguments:
        inputs: list of two maps, both (B, H, H, C), H and C static.
        training: whether BatchNormalization uses the batch's statistics.

    Returns:
        tuple of two maps (B, H, H, C).

    Reference: Qian et al., "Thinking in Frequency: Face Forgery Detection by Mining
    Frequency-aware Clues", ECCV 2020, Sec. 3.3; the formulas are those of its authors' repository,
    and BatchNormalization has PyTorch's momentum and epsilon, which it is trained with there.
    """

    def build(self, input_shape: Sequence[Any]) -> None:
        first, *others = input_shape if isinstance(input_shape[0], (list, tuple)) else [input_shape]
        same = len(others) == 1 and tuple(others[0]) == tuple(first)
        if not same or len(first) != 4 or None in first[1:] or first[1] != first[2]:
            raise ValueError(
                "Expected two maps of the same shape (B, H, H, C) with H and C known. "
                f"Received: input_shape={input_shape}"
            )
        batch, height, width, channels = first
        self.input_spec = [
            keras.layers.InputSpec(ndim=4, axes={1: height, 2: width, 3: channels})
        ] * 2
        policy = self.dtype_policy
        self.projections, self.convolutions, self.norms, self.gammas = [], [], [], []
        for name in ("first", "second"):
            # Queries and keys, one after the other.
            projection = keras.layers.Dense(2 * channels, dtype=policy, name=f"{name}_projection")
            projection.build((batch, height * width, channels))
            convolution = keras.layers.DepthwiseConv2D(1, dtype=policy, name=f"{name}_convolution")
            convolution.build(first)
            norm = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, dtype=policy, name=f"{name}_norm"
            )
            norm.build(first)
            gamma = self.add_weight(name=f"{name}_gamma", shape=(), initializer="zeros")
            self.projections.append(projection)
            self.convolutions.append(convolution)
            self.norms.append(norm)
            self.gammas.append(gamma)

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> Any:
        _, height, width, channels = inputs[0].shape
        # The gradient of a map is a sum of two, and so is that of its pixels in a row: two parts
        # give the same in either order, see `lrl_keras.training.cpu.fixed_sums`.
        rows = [ops.reshape(maps, (-1, height * width, channels)) for maps in inputs]
        attention = self._attention(rows, height)
        outputs = []
        for index, maps in enumerate(inputs):
            other = 1 - index
            strength = 2 * ops.sigmoid(ops.cast(self.gammas[other], "float32")) - 1
            selected = rows[other] * ops.cast(attention * strength, self.compute_dtype)
            selected = ops.reshape(selected, (-1, height, width, channels))
            selected = self.convolutions[index](selected)
            outputs.append(maps + self.norms[index](selected, training=training))
        return tuple(outputs)

    def _attention(self, rows, side):
        """Compute A: float32 (B, H * H, C)."""
        queries, keys = [], []
        for projection, stream in zip(self.projections, rows, strict=True):
            both = ops.cast(projection(stream), "float32")
            channels = both.shape[-1] // 2
            query, key = ops.split(ops.reshape(both, (-1, side, side, 2 * channels)), 2, axis=-1)
            queries.append(ops.transpose(query, (0, 3, 1, 2)))
            keys.append(ops.transpose(key, (0, 3, 2, 1)))
        # (B, C, H, 2 W) (B, C, 2 W, H)
        energy = ops.matmul(ops.concatenate(queries, axis=3), ops.concatenate(keys, axis=2))
        attention = ops.transpose(ops.softmax(energy, axis=-1), (0, 2, 3, 1))
        return ops.reshape(attention, (-1, side * side, channels))

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[Any, ...]:
        return tuple(input_shape[0]), tuple(input_shape[1])

    def multiply_adds(self) -> int:
        """Count the multiply-adds of a pair of maps."""
        _, side, _, channels = self.input[0].shape
        return 2 * side**2 * channels * (2 * channels + side + 1)
