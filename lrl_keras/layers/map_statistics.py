"""Statistics of feature maps in place of pooling (Rahmouni et al.)."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("lrl_keras")
class MapStatistics(keras.layers.Layer):
    """Mean, minimum, maximum and variance of each feature map.

    The variance is the mean of (x - mean)². All are computed and returned in float32 under every
    dtype policy: float16 is too coarse for the sums.

    Call arguments:
        maps: (B, H, W, C) with C known.

    Returns:
        float32 (B, 4 C): the four of the first channel, then those of the second, and so on.

    Reference: Rahmouni et al., "Distinguishing Computer Graphics from Natural Images Using
    Convolution Neural Networks", WIFS 2017: the four 'simple statistics'; their order is that of
    the authors' code.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "Expected maps of shape (B, H, W, C) with C known. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={3: input_shape[-1]})

    def call(self, maps: Any) -> Any:
        maps = ops.cast(maps, "float32")
        # No tensor is read by more than two operations that have a gradient: TensorFlow adds three
        # or more gradients in any order, so that a resumed training would end in other weights.
        mean = ops.stop_gradient(ops.mean(maps, axis=(1, 2), keepdims=True))
        centred, mirrored = maps - mean, -maps
        statistics = [
            ops.squeeze(mean, (1, 2)) + ops.mean(centred, axis=(1, 2)),
            -ops.max(mirrored, axis=(1, 2)),
            -ops.min(mirrored, axis=(1, 2)),
            ops.mean(ops.square(centred), axis=(1, 2)),
        ]
        return ops.reshape(ops.stack(statistics, axis=-1), (-1, 4 * maps.shape[-1]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, *_, channels = input_shape
        return (batch, None if channels is None else 4 * channels)

    def compute_output_spec(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(maps.shape), dtype="float32")
