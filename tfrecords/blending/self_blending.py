"""A face blended with an altered copy of itself."""

import numpy as np
from skimage import transform

from tfrecords.blending.region import face_axes, random_region
from tfrecords.blending.retouching import retouch
from tfrecords.blending.weights import blend, deform, soften

_RATIOS = (0.5, 0.75, 1, 1)


def self_blend(image, landmarks, rng, target=None):
    """Blend a face with a copy of itself that is retouched or not, and slightly moved.

    Args:
        image: uint8 (H, W, 3), RGB, the crop of a real face.
        landmarks: five points (x, y) of the face in pixels of `image`, as
            `lrl_keras.faces.Face` has them.
        rng: `numpy.random.Generator`.
        target: uint8 (H, W, 3), what the face is blended into: `image` retouched. Then the copy
            is not retouched. Defaults to `image` itself, and the copy is.

    Returns:
        the forgery, uint8 (H, W, 3), and the copy's weight at each pixel, float32 (H, W) in
        [0, 1]: the forgery is equal to the target where the weight is 0. The copy may be blended
        in at less than this weight (0.5 times, at least), evenly over the face.

    Raises:
        InputError: the landmarks span no face.

    Reference:
        Shiohara and Yamasaki, Detecting Deepfakes with Self-Blended Images, CVPR 2022.
    """
    axes = face_axes(landmarks)
    if target is None:
        source, target = retouch(image, rng), image
    else:
        source = image
    region = deform(random_region(axes, image.shape[:2], rng), axes.size, rng)
    move = _small_move(axes, rng)
    source = transform.warp(
        source.astype(np.float32), move, order=3, mode="edge", preserve_range=True
    )
    region = transform.warp(region, move, order=1, mode="constant")
    weight = soften(region, axes.size * np.exp(rng.uniform(np.log(0.05), np.log(0.25))))
    ratio = _RATIOS[rng.integers(len(_RATIOS))]
    return blend(target, source, ratio * weight), weight


def _small_move(axes, rng):
    """Where a pixel of the moved copy comes from: scaled about the face, turned and shifted."""
    centre = axes.pixels(np.array([[0, 0.5]]))[0]
    moved = transform.SimilarityTransform(
        scale=np.exp(rng.uniform(-0.05, 0.05)),
        rotation=np.deg2rad(rng.uniform(-2, 2)),
        translation=axes.size * rng.uniform((-0.08, -0.05), (0.08, 0.05)),
    )
    to_centre = transform.SimilarityTransform(translation=-centre)
    return to_centre + moved + to_centre.inverse
