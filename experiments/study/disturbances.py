"""The disturbances of Figure 6: a face and its mask, changed in one of five ways."""

import math
import zlib

import numpy as np

from experiments.study.figure import SEED
from lrl_keras.media.degradations import DEGRADATIONS, degrade

LEVEL = 3
# The paper's disturbances by their names in `lrl_keras.media.degradations`; `None`: not there.
DISTURBANCES = {
    "none": None,
    "blur": "blur",
    "gaussian noise": "noise",
    "compression": "jpeg",
    "random patch": None,
}


def disturb(image, mask, name, place, patches):
    """Disturb a face, and its mask with it, in one of the ways of `DISTURBANCES`.

    Args:
        image: uint8 array (S, S, 3).
        mask: array (S, S); it changes with random patches alone.
        name: of the disturbance.
        place: the face's `experiments.study.figure.Place`, which all chance follows from.
        patches: k of random patches.
    """
    face = (place.kind, place.video, place.frame)
    if name == "random patch":
        key = [zlib.crc32(part.encode()) for part in (name, *face[:2])]
        generator = np.random.default_rng([SEED, *key, place.frame])
        order = generator.permutation(patches**2)
        return shuffled(image, patches, order), shuffled(mask, patches, order)
    if DISTURBANCES[name] is None:
        return image, mask
    return degrade(image, DISTURBANCES[name], LEVEL, seed=SEED, face=face), mask


def shuffled(image, patches, order):
    """Put the patches of an image or a mask into another order.

    Where S is no multiple of k, the last patches are made whole by repeating the image's last
    row and column, and the result is cut to S again.

    Args:
        image: (S, S) or (S, S, C).
        patches: k, the patches along each side, of Ceil(S / k) pixels.
        order: permutation of k²; patch i of the result is patch order[i] of the image.

    Returns:
        array of the image's shape and type.
    """
    side = len(image)
    step = math.ceil(side / patches)
    beyond = patches * step - side
    padded = np.pad(image.reshape(side, side, -1), ((0, beyond), (0, beyond), (0, 0)), mode="edge")
    cells = padded.reshape(patches, step, patches, step, -1).swapaxes(1, 2)
    cells = cells.reshape(patches**2, step, step, -1)[order]
    cells = cells.reshape(patches, patches, step, step, -1).swapaxes(1, 2)
    whole = cells.reshape(patches * step, patches * step, -1)
    return whole[:side, :side].reshape(image.shape)


def strength(name, patches):
    """Say how strong one of `DISTURBANCES` is; `patches`: k of random patches."""
    if name == "random patch":
        return f"{patches} x {patches}"
    if DISTURBANCES[name] is None:
        return ""
    found = DEGRADATIONS[DISTURBANCES[name]]
    label = found.label.format(found.strengths[LEVEL - 1])
    return f"JPEG, {label}" if DISTURBANCES[name] == "jpeg" else label
