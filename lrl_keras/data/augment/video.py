"""Lower resolution and compression as of videos: the first half of the augmentation `video`."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from PIL import Image

from lrl_keras.media import degradations

_SHRUNK, _SMALLEST = 0.5, 0.5
_NOISY, _NOISE = 0.1, (1, 6)
_H264, _CRF, _FRAMES = 0.5, (18, 36), (1, 2, 3)
_JPEG, _QUALITY = 0.15, (30, 95)
_MOTION = 2
_WAYS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.BOX)


def as_in_video(
    image: tf.Tensor, mask: tf.Tensor, size: int, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Pass one example through a lower resolution and through compression, in the graph.

    | in this order | share | strength |
    |---|---|---|
    | lower resolution | 0.5 | 0.5 to 1 times the side, even on a logarithmic scale |
    | sensor noise, Gaussian | 0.1 | standard deviation 1 to 6 of 255 |
    | H.264 (libx264, 4:2:0) | 0.5 | CRF 18 to 36; last of 1 to 3 frames that move up to 2 pixels |
    | or else JPEG | 0.15 | quality 30 to 95 |
    | size of the network | 1 | bilinear |

    Real and forged examples are treated alike, so that neither resolution nor compression reveals
    the label. All chance follows from the seed.

    Args:
        image: uint8 tensor (H, H, 3).
        mask: uint8 tensor (H, H, 1) of 0 and 1, perhaps with weights of 0..255 as second channel.
        size: side S of the result in pixels.
        seed: int64 tensor (2,).

    Returns:
        image, uint8 (S, S, 3), and mask, uint8 (S, S, 1) of 0 and 1, or with the weights.
    """
    channels = mask.shape[-1]

    def change(image, mask, seed):
        # NumPy accepts no negative seeds.
        rng = np.random.default_rng(seed.view(np.uint64))
        return compressed(image, size, rng), _resized_mask(mask, size)

    image, mask = tf.numpy_function(change, [image, mask, seed], (tf.uint8, tf.uint8), False)
    return tf.ensure_shape(image, (size, size, 3)), tf.ensure_shape(mask, (size, size, channels))


def compressed(image, size, rng):
    """Lower the resolution of an image and compress it, as `as_in_video` does.

    Args:
        image: uint8 (H, H, 3), RGB.
        size: side of the result in pixels.
        rng: `numpy.random.Generator`.

    Returns:
        uint8 (size, size, 3).
    """
    if rng.random() < _SHRUNK:
        side = max(round(len(image) * np.exp(rng.uniform(np.log(_SMALLEST), 0))), 16)
        way = _WAYS[rng.integers(len(_WAYS))]
        image = np.asarray(Image.fromarray(image).resize((side, side), way))
    if rng.random() < _NOISY:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(*_NOISE))
        image = np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)
    kind = rng.random()
    if kind < _H264:
        image = _last_frame(image, rng)
    elif kind < _H264 + _JPEG:
        image = degradations.jpeg(image, int(rng.integers(*_QUALITY, endpoint=True)))
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def _last_frame(image, rng):
    # Most frames of a video are predicted from others, which compresses them more than a first one.
    dy, dx = rng.integers(-_MOTION, _MOTION, 2, endpoint=True)
    count = _FRAMES[rng.integers(len(_FRAMES))]
    crf = rng.uniform(*_CRF)
    frames = [_shifted(image, dy * back, dx * back) for back in range(count - 1, -1, -1)]
    return degradations.h264(frames, f"{crf:.1f}")[-1]


def _shifted(image, dy, dx):
    reach = max(abs(dy), abs(dx))
    if reach == 0:
        return image
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="edge")
    height, width = image.shape[:2]
    return padded[reach + dy : reach + dy + height, reach + dx : reach + dx + width]


def _resized_mask(mask, size):
    region, *weights = (
        np.asarray(Image.fromarray(channel).resize((size, size), Image.Resampling.BOX))
        for channel in (mask[..., 0] * np.uint8(255), *np.moveaxis(mask[..., 1:], -1, 0))
    )
    return np.stack([(region >= 128).astype(np.uint8), *weights], axis=-1)
