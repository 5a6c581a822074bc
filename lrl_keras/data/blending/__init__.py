"""Forgeries made from real faces, as arrays: self-blended and swapped ones.

All randomness comes from a `numpy.random.Generator`, so that the same arguments give the same
forgery.
"""

from lrl_keras.data.blending.forging import METHODS, SELF_BLENDED, SWAP, Target, forge, target
from lrl_keras.data.blending.retouching import retouch
from lrl_keras.data.blending.self_blending import self_blend
from lrl_keras.data.blending.swapping import swap
from lrl_keras.data.blending.views import ROOM, Face, View, centred, random_view

__all__ = [
    "METHODS",
    "ROOM",
    "SELF_BLENDED",
    "SWAP",
    "Face",
    "Target",
    "View",
    "centred",
    "forge",
    "random_view",
    "retouch",
    "self_blend",
    "swap",
    "target",
]
