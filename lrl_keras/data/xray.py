"""Target of the output `"xray"`: where a face was blended into an image.

With M the weight of what was blended in, at each pixel,

    B = 4 M (1 - M)

which is 1 where both images count the same, and 0 inside, outside and in a real face. Faces that
`lrl-keras prepare self-blended` or the training itself forged have their own M. For other
forgeries M is the mask, blurred by a Gaussian of 3, 5, 7 or 9 pixels; which one, chance decides.

Reference: Li et al., "Face X-ray for More General Face Forgery Detection", CVPR 2020. The blurred
mask is from an implementation of others; their standard deviations are not known, ours are
0.3 ((n - 1) / 2 - 1) + 0.8 for n pixels.
"""

import numpy as np
import tensorflow as tf

_SIZES = (3, 5, 7, 9)
# A number that no other change of an example folds into its seed.
_OWN = 1000


def completed(masks, seed):
    """Give the forgery of one example its weights where the records hold none.

    Args:
        masks: uint8 tensor (S, S, 2): the mask of 0 and 1, and 255 M, 0 everywhere where M is not
            known.
        seed: int64 tensor (2,), which the choice of the Gaussian follows from.

    Returns:
        uint8 tensor (S, S, 2).
    """
    mask, weights = masks[..., :1], masks[..., 1:]
    known = tf.reduce_any(weights > 0) | tf.logical_not(tf.reduce_any(mask > 0))
    weights = tf.cond(known, lambda: weights, lambda: _blurred(mask, seed))
    return tf.concat([mask, weights], axis=-1)


def resized(weights, size):
    """Resize weights to the means over the pixels' areas.

    Args:
        weights: uint8 tensor (H, W, 1).
        size: side S of the result in pixels.

    Returns:
        uint8 tensor (S, S, 1), rounded to nearest.
    """
    if weights.shape[:2] == (size, size):
        return weights
    return tf.cast(tf.round(tf.image.resize(weights, (size, size), "area")), tf.uint8)


def target(weights):
    """Compute B.

    Args:
        weights: uint8 tensor, 255 M.

    Returns:
        float32 tensor in [0, 1] of the same shape.
    """
    share = tf.cast(weights, tf.float32) / 255
    return 4 * share * (1 - share)


def _blurred(mask, seed):
    own = tf.random.experimental.stateless_fold_in(seed, tf.constant(_OWN, tf.int64))
    kernel = tf.constant(_kernels())[tf.random.stateless_uniform((), own, 0, len(_SIZES), tf.int32)]
    margin = _SIZES[-1] // 2
    # Mirrored beyond the border, so that there is none where the image merely ends.
    blurred = tf.pad(
        tf.cast(mask, tf.float32), [[margin, margin], [margin, margin], [0, 0]], "SYMMETRIC"
    )[None]
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        blurred = tf.nn.conv2d(blurred, tf.reshape(kernel, shape), 1, "VALID")
    return tf.cast(tf.round(255 * tf.ensure_shape(blurred[0], mask.shape)), tf.uint8)


def _kernels():
    """Make the Gaussians, float32 (4, 9), each with zeros around it."""
    reach = _SIZES[-1] // 2
    places = np.arange(-reach, reach + 1)
    rows = []
    for size in _SIZES:
        deviation = 0.3 * ((size - 1) / 2 - 1) + 0.8
        row = np.exp(-((places / deviation) ** 2) / 2) * (np.abs(places) <= size // 2)
        rows.append(row / row.sum())
    return np.array(rows, np.float32)
