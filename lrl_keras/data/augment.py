"""Random changes of a training example; image and mask move together."""

import tensorflow as tf

from lrl_keras.data.strong import Strong

AUGMENTATIONS = ("none", "flip", "strong")


def augmentation(name):
    """The function that changes one example.

    All of them are stateless: the same seed makes the same change, in whatever order, thread or
    process it runs.

    Args:
        name: one of `AUGMENTATIONS`.

    Returns:
        function of image, uint8 tensor (H, W, 3), mask, uint8 tensor (H, W, 1) of 0 and 1, and
        seed, int64 tensor (2,). It returns image and mask in the same form.
    """
    if name == "none":
        return lambda image, mask, seed: (image, mask)
    if name == "flip":
        return flip
    strong = Strong()
    return lambda image, mask, seed: strong(*flip(image, mask, seed), seed)


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
