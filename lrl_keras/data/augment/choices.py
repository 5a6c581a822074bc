"""Random changes of a training example; image and mask move together."""

import tensorflow as tf

from lrl_keras.data.augment.strong import Strong
from lrl_keras.data.augment.video import as_in_video
from lrl_keras.media import images

AUGMENTATIONS = ("none", "flip", "strong", "video")


def augmentation(name, image_size):
    """The function that changes one example and resizes it.

    All of them are stateless: the same seed makes the same change, in whatever order, thread or
    process it runs.

    Args:
        name: one of `AUGMENTATIONS`.
        image_size: side S of the result in pixels.

    Returns:
        function of image, uint8 tensor (H, W, 3), mask, uint8 tensor (H, W, 1) of 0 and 1, and
        seed, int64 tensor (2,). It returns image and mask in the same form, (S, S).
    """
    strong = Strong() if name in ("strong", "video") else None

    def change(image, mask, seed):
        if name == "video":
            return strong(*as_in_video(*flip(image, mask, seed), image_size, seed), seed)
        image, mask = images.resize(image, image_size), images.resize_mask(255 * mask, image_size)
        if name != "none":
            image, mask = flip(image, mask, seed)
        return strong(image, mask, seed) if strong else (image, mask)

    return change


def flip(image, mask, seed):
    """Mirror image and mask together, with probability one half.

    Args:
        image: tensor (H, W, C).
        mask: tensor (H, W, 1).
        seed: int tensor (2,).

    Returns:
        image and mask, of the shapes given.
    """
    return tf.cond(
        tf.random.stateless_uniform((), seed) < 0.5,
        lambda: (tf.reverse(image, [1]), tf.reverse(mask, [1])),
        lambda: (image, mask),
    )
