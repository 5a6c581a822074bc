"""The paper's layers and those of compared systems, usable in any Keras model on any backend."""

from lrl_keras.layers.bilinear_resize import BilinearResize
from lrl_keras.layers.fad import FAD
from lrl_keras.layers.frequency_filter import FrequencyFilter, dct_matrix
from lrl_keras.layers.lfs import LFS
from lrl_keras.layers.mix_block import MixBlock
from lrl_keras.layers.patch_similarity import PatchSimilarity, similarity_target
from lrl_keras.layers.rfam import RFAM

__all__ = [
    "FAD",
    "LFS",
    "RFAM",
    "BilinearResize",
    "FrequencyFilter",
    "MixBlock",
    "PatchSimilarity",
    "dct_matrix",
    "similarity_target",
]
