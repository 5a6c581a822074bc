"""Pairs of a real and a forged face: the same view, retouched alike, but for one region."""

import dataclasses

import numpy as np

from lrl_keras.data.blending.region import pose_distance
from lrl_keras.data.blending.retouching import retouch
from lrl_keras.data.blending.self_blending import self_blend
from lrl_keras.data.blending.swapping import swap
from lrl_keras.data.blending.views import mirrored

SELF_BLENDED, SWAP = "self-blended", "swap"
METHODS = (SELF_BLENDED, SWAP)

_RETOUCHED = 0.5
_TRIES = 4
# Mean levels (of 255) by which a forged region must differ from the real one.
_LEAST = 2


@dataclasses.dataclass(frozen=True)
class Target:
    """View of a real face that forgeries are made from.

    Attributes:
        view: the `lrl_keras.data.blending.views.View` as it was cut out.
        image: uint8 (S, S, 3), the real example: the view as it is, or retouched.
    """

    view: object
    image: np.ndarray


def target(view, rng):
    """Make the `Target` of a view, retouched or not, so that retouching reveals no label."""
    return Target(view, retouch(view.image, rng) if rng.random() < _RETOUCHED else view.image)


def forge(method, target, donor, rng):
    """Forge a face.

    Args:
        method: one of `METHODS`.
        target: a `Target`.
        donor: for `"swap"`, a view of another person's face of about the same size, which is
            mirrored where that brings its pose nearer to the target's; otherwise not used.
        rng: `numpy.random.Generator`.

    Returns:
        the forgery, uint8 (S, S, 3); its mask, uint8 (S, S) of 0 and 1: 1 where the weight of the
        blending is above 0.5; and 255 times that weight, uint8 (S, S). Both are 0 everywhere where
        nothing could be forged.

    Raises:
        InputError: landmarks that span no face.
    """
    view = target.view
    if method == SWAP:
        donor = min(
            (donor, mirrored(donor)),
            key=lambda other: pose_distance(other.landmarks, view.landmarks),
        )
    for _ in range(_TRIES):
        if method == SWAP:
            image, weight = swap(target.image, view.landmarks, donor.image, donor.landmarks, rng)
        else:
            retouched = None if target.image is view.image else target.image
            image, weight = self_blend(view.image, view.landmarks, rng, retouched)
        mask = weight > 0.5
        if mask.any() and np.abs(image[mask] - target.image[mask].astype(np.int16)).mean() > _LEAST:
            break
    else:
        return target.image, *np.zeros((2, *mask.shape), np.uint8)
    return image, mask.astype(np.uint8), np.rint(255 * weight).astype(np.uint8)
