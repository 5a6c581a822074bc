"""Random changes of a training example; image and mask move together."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from lrl_keras.data import xray
from lrl_keras.data.augment.strong import Strong
from lrl_keras.data.augment.video import as_in_video
from lrl_keras.media import images


def augmentation(name: str, image_size: int) -> Callable:
    """Return the function that changes one example and resizes it.

    All of them are stateless: the same seed makes the same change, in any order, thread or process.

    Args:
        name: one of `AUGMENTATIONS`.
        image_size: side S of the result in pixels.

    Returns:
        function of image, uint8 tensor (H, W, 3), mask, uint8 tensor (H, W, 1) of 0 and 1, and
        seed, int64 tensor (2,). It returns image and mask in the same form, (S, S). The mask may
        have a second channel, weights of 0..255, that is moved with it.
    """
    return AUGMENTATIONS[name].make(image_size)


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Augmentation as training offers it.

    Attributes:
        make: `make(image_size)` gives a function as `augmentation` describes it.
        help: its changes in words, for `--help`.
        validated: whether a training with it changes the faces of its validation, too.
    """

    make: Callable
    help: str
    validated: bool = False


def flip(image: tf.Tensor, mask: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirror image and mask together, with probability one half.

    Args:
        image: tensor (H, W, C).
        mask: tensor (H, W, 1 or 2).
        seed: int tensor (2,).

    Returns:
        image and mask, of the shapes given.
    """
    return tf.cond(
        tf.random.stateless_uniform((), seed) < 0.5,
        lambda: (tf.reverse(image, [1]), tf.reverse(mask, [1])),
        lambda: (image, mask),
    )


def _none(image_size):
    return lambda image, mask, seed: _resized(image, mask, image_size)


def _flip(image_size: int) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    return lambda image, mask, seed: flip(*_resized(image, mask, image_size), seed)


def _strong(image_size):
    strong, flipped = Strong(), _flip(image_size)
    return lambda image, mask, seed: strong(*flipped(image, mask, seed), seed)


def _video(image_size):
    strong = Strong()

    def change(image, mask, seed):
        return strong(*as_in_video(*flip(image, mask, seed), image_size, seed), seed)

    return change


def _resized(image: tf.Tensor, mask: tf.Tensor, image_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    resized = images.resize_mask(255 * mask[..., :1], image_size)
    if mask.shape[-1] == 2:
        weights = xray.resized(mask[..., 1:], image_size)
        resized = tf.concat([resized, weights], axis=-1)
    return images.resize(image, image_size), resized


AUGMENTATIONS = {
    "none": Augmentation(_none, "nothing"),
    "flip": Augmentation(_flip, "mirrored"),
    "strong": Augmentation(
        _strong,
        "mirrored, turned, scaled, blurred, recoloured, noisy, compressed, with parts erased",
    ),
    "video": Augmentation(
        _video,
        "mirrored, of a lower resolution, noisy, compressed as video or photograph, and as strong",
        validated=True,
    ),
}
