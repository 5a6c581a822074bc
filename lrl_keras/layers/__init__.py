"""Layers of the paper and of compared systems, for any Keras model on any Keras backend."""

from lrl_keras.layers.bilinear_resize import BilinearResize
from lrl_keras.layers.constrained_conv import Bayar, ConstrainedConv2D
from lrl_keras.layers.frequency_filter import FrequencyFilter, dct_matrix
from lrl_keras.layers.map_statistics import MapStatistics
from lrl_keras.layers.patch_similarity import PatchSimilarity, similarity_target
from lrl_keras.layers.rfam import RFAM

__all__ = [
    "RFAM",
    "Bayar",
    "BilinearResize",
    "ConstrainedConv2D",
    "FrequencyFilter",
    "MapStatistics",
    "PatchSimilarity",
    "dct_matrix",
    "similarity_target",
]
