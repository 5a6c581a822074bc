"""Random changes of a training example, the same for image and mask."""

import tensorflow as tf

AUGMENTATIONS = ("none", "flip")


def flip(image, mask, seed):
    """Mirror image and mask together, with probability one half.

    Stateless: the same seed flips the same way, in whatever order or thread it runs.

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
