"""The paper's layers, each usable in any Keras model on any Keras backend."""

from lrl_keras.layers.bilinear_resize import BilinearResize
from lrl_keras.layers.centre_distance import CentreDistance
from lrl_keras.layers.frequency_filter import FrequencyFilter, dct_matrix
from lrl_keras.layers.laplacian_of_gaussian import LaplacianOfGaussian
from lrl_keras.layers.patch_similarity import PatchSimilarity, similarity_target
from lrl_keras.layers.rfam import RFAM

__all__ = [
    "RFAM",
    "BilinearResize",
    "CentreDistance",
    "FrequencyFilter",
    "LaplacianOfGaussian",
    "PatchSimilarity",
    "dct_matrix",
    "similarity_target",
]
