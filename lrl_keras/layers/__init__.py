"""Layers of the paper and of compared systems, for any Keras model on any Keras backend."""

from lrl_keras.layers.bilinear_resize import BilinearResize
from lrl_keras.layers.centre_distance import CentreDistance
from lrl_keras.layers.co_occurrence import CoOccurrence
from lrl_keras.layers.constrained_conv import Bayar, ConstrainedConv2D
from lrl_keras.layers.fad import FAD
from lrl_keras.layers.frequency_filter import FrequencyFilter, dct_matrix
from lrl_keras.layers.laplacian_of_gaussian import LaplacianOfGaussian
from lrl_keras.layers.lfs import LFS
from lrl_keras.layers.map_statistics import MapStatistics
from lrl_keras.layers.mix_block import MixBlock
from lrl_keras.layers.patch_similarity import PatchSimilarity, similarity_target
from lrl_keras.layers.rfam import RFAM
from lrl_keras.layers.soft_co_occurrence import SoftCoOccurrence

__all__ = [
    "FAD",
    "LFS",
    "RFAM",
    "Bayar",
    "BilinearResize",
    "CentreDistance",
    "CoOccurrence",
    "ConstrainedConv2D",
    "FrequencyFilter",
    "LaplacianOfGaussian",
    "MapStatistics",
    "MixBlock",
    "PatchSimilarity",
    "SoftCoOccurrence",
    "dct_matrix",
    "similarity_target",
]
