"""Forgeries made from real faces, on arrays alone: self-blended and swapped ones.

Every function takes its randomness from a `numpy.random.Generator`, so that the same arguments
give the same forgery.
"""

from tfrecords.blending.retouching import retouch
from tfrecords.blending.self_blending import self_blend
from tfrecords.blending.swapping import swap

__all__ = ["retouch", "self_blend", "swap"]
