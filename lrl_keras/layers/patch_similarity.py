"""Multi-scale Patch Similarity Module (Eq. 7 and 9, Sec. 3.3)."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from keras import ops


def _partition(maps, patches):
    """Cut maps (B, H, W, C) into patches (B, k², h * w, C), in row-major order.

    h = Ceil(H / k) and w = Ceil(W / k), with zeros beyond the last row and column (Sec. 3.3).
    """
    _, height, width, channels = maps.shape
    h, w = math.ceil(height / patches), math.ceil(width / patches)
    padding = ((0, 0), (0, patches * h - height), (0, patches * w - width), (0, 0))
    maps = ops.pad(maps, padding) if np.any(padding) else maps
    maps = ops.reshape(maps, (-1, patches, h, patches, w, channels))
    maps = ops.transpose(maps, (0, 1, 3, 2, 4, 5))
    return ops.reshape(maps, (-1, patches * patches, h * w, channels))


def _pixels_per_patch(height, width, patches):
    """Count the pixels of a map in each patch without padding, at least 1: float32 (k²,)."""

    def lengths(n):
        size = math.ceil(n / patches)
        return np.clip(n - size * np.arange(patches), 0, size)

    counts = np.outer(lengths(height), lengths(width)).reshape(-1)
    return np.maximum(counts, 1).astype("float32")


def check_patches(patches: int) -> int:
    """Return `patches` as an int; raise ValueError unless it is an integer of at least 1."""
    if int(patches) != patches or patches < 1:
        raise ValueError(f"`patches` must be an integer of at least 1. Received: {patches}")
    return int(patches)


def similarity_target(mask: Any, patches: int) -> Any:
    """Compute the target similarity of the patches of a face from its mask.

    p_i is the mean of the mask over the pixels of patch i (padding left out), and

        s_ij = 1 - (p_i - p_j)²    Eq. (9)

    Args:
        mask: (B, H, W, 1) in [0, 1], 1 = forged (Eq. 8); H and W static.
        patches: k, the patches along each side.

    Returns:
        float32 (B, k², k²) in [0, 1], patches in row-major order.

    Reference: Eq. (8)-(9), Sec. 3.3.
    """
    patches = check_patches(patches)
    mask = ops.cast(ops.convert_to_tensor(mask), "float32")
    counts = _pixels_per_patch(mask.shape[1], mask.shape[2], patches)
    forged = ops.sum(_partition(mask, patches), axis=(2, 3)) / counts
    return 1 - ops.square(forged[:, :, None] - forged[:, None, :])


@keras.saving.register_keras_serializable("lrl_keras")
class PatchSimilarity(keras.layers.Layer):
    """Cosine similarity of every pair of patches of a feature map, scaled to [0, 1].

    The map is cut into k x k patches of Ceil(H / k) x Ceil(W / k), zeros beyond the border; u_i is
    patch i flattened to a vector, and

        s^_ij = (<u_i / |u_i|, u_j / |u_j|> + 1) / 2    Eq. (7)

    A patch without any signal (all zeros, or wholly beyond the border) has the similarity 1/2,
    'unrelated', with every patch. Computed and returned in float32 under every dtype policy: the
    squares of thousands of entries overflow float16.

    Args:
        patches: k, the patches along each side. Defaults to `5`, the paper's.

    Call arguments:
        maps: (B, H, W, C), H, W and C static.

    Returns:
        float32 (B, k², k²) in [0, 1], patches in row-major order.

    Reference: Eq. (7), Sec. 3.3.
    """

    def __init__(self, patches: int = 5, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.patches = check_patches(patches)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if len(input_shape) != 4 or None in input_shape[1:]:
            raise ValueError(
                "Expected maps of shape (B, H, W, C) with H, W and C known. "
                f"Received: input_shape={tuple(input_shape)}"
            )

    def call(self, maps: Any) -> Any:
        vectors = _partition(ops.cast(maps, "float32"), self.patches)
        _, count, pixels, channels = vectors.shape
        vectors = ops.reshape(vectors, (-1, count, pixels * channels))
        # A vector is divided by its largest entry first: its sum of squares is then at least 1 and
        # fits into float32. A vector of zeros stays zero, with a gradient of zero.
        largest = ops.stop_gradient(ops.max(ops.abs(vectors), axis=-1, keepdims=True))
        signal = largest > 1e-6
        vectors = ops.where(signal, vectors / ops.where(signal, largest, 1.0), 0.0)
        squares = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
        units = vectors * ops.rsqrt(ops.maximum(squares, 1.0))
        cosine = ops.matmul(units, ops.transpose(units, (0, 2, 1)))
        # Rounding may leave [-1, 1] by an ulp.
        return ops.clip((cosine + 1) / 2, 0, 1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.patches**2, self.patches**2)

    def compute_output_spec(self, maps: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(self.compute_output_shape(maps.shape), dtype="float32")

    def multiply_adds(self) -> int:
        """Count the multiply-adds of one map."""
        _, height, width, channels = self.input.shape
        k = self.patches
        return k**4 * math.ceil(height / k) * math.ceil(width / k) * channels

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "patches": self.patches}
