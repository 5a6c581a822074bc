"""RGB-Frequency Attention Module (Eq. 4-6, Sec. 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("lrl_keras")
class RFAM(keras.layers.Layer):
    """Spatial attention that fuses the maps of the RGB and the frequency stream.

    With U_1 the map of the RGB stream and U_2 that of the frequency stream, C channels each:

        V      = ReLU(BatchNorm(Conv_1x1([U_1, U_2])))      2C channels    Eq. (4)
        A_1, A_2 = split(sigmoid(Conv_3x3(V)))              1 channel each Eq. (5)
        U~     = A_1 * U_1 + A_2 * U_2                      C channels     Eq. (6)

    The sigmoid is computed in float32 under every dtype policy.

    Args:
        attend_streams: whether to return the attended maps A_1 * U_1 and A_2 * U_2 too, as input
            of the next stage of each stream. The paper leaves this open. Defaults to `True`.

    Call arguments:
        inputs: list of two maps [rgb, frequency], both (B, H, W, C).
        training: whether BatchNormalization uses the batch's statistics.

    Returns:
        With `attend_streams`, a tuple (fused, attended rgb, attended frequency), else the fused
        map alone; each (B, H, W, C).

    Reference: Eq. (4)-(6), Sec. 3.2 and 3.3, Fig. 2.
    """

    def __init__(self, attend_streams: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.attend_streams = bool(attend_streams)

    def build(self, input_shape: Sequence[Any]) -> None:
        rgb, *others = input_shape if isinstance(input_shape[0], (list, tuple)) else [input_shape]
        same = len(others) == 1 and tuple(others[0]) == tuple(rgb)
        if not same or len(rgb) != 4 or rgb[-1] is None:
            raise ValueError(
                "Expected two maps [rgb, frequency] of the same shape (B, H, W, C) with C known. "
                f"Received: input_shape={input_shape}"
            )
        channels = 2 * rgb[-1]
        joined = (*rgb[:-1], channels)
        policy = self.dtype_policy
        self.fuse, self.norm = self._fusion(channels)
        self.attend = keras.layers.Conv2D(2, 3, padding="same", dtype=policy, name="attend")
        for layer in (self.fuse, self.norm, self.attend):
            layer.build(joined)

    def _fusion(self, channels):
        """Make the layers Conv_1x1 and BatchNorm of Eq. (4)."""
        policy = self.dtype_policy
        return (
            keras.layers.Conv2D(channels, 1, use_bias=False, dtype=policy, name="fuse"),
            keras.layers.BatchNormalization(dtype=policy, name="norm"),
        )

    def call(self, inputs: Sequence[Any], training: bool | None = None) -> Any:
        rgb, frequency = inputs
        features = ops.concatenate([rgb, frequency], axis=-1)
        features = ops.relu(self.norm(self.fuse(features), training=training))  # Eq. (4)
        attention = ops.sigmoid(ops.cast(self.attend(features), "float32"))  # Eq. (5)
        attention = ops.cast(attention, self.compute_dtype)
        attended_rgb = attention[..., :1] * rgb
        attended_frequency = attention[..., 1:] * frequency
        fused = attended_rgb + attended_frequency  # Eq. (6)
        if self.attend_streams:
            return fused, attended_rgb, attended_frequency
        return fused

    def compute_output_shape(
        self, input_shape: Sequence[tuple[int | None, ...]]
    ) -> tuple[Any, ...]:
        shape = tuple(input_shape[0])
        return (shape, shape, shape) if self.attend_streams else shape

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one face."""
        _, height, width, channels = self.input[0].shape
        return height * width * (4 * channels**2 + 9 * 2 * channels * 2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "attend_streams": self.attend_streams}
