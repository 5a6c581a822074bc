"""The paper's layers, each usable in any Keras model on any Keras backend."""

from lrl_keras.layers.frequency import FrequencyFilter, dct_matrix
from lrl_keras.layers.resize import BilinearResize
from lrl_keras.layers.rfam import RFAM
from lrl_keras.layers.similarity import PatchSimilarity, similarity_target

__all__ = [
    "RFAM",
    "BilinearResize",
    "FrequencyFilter",
    "PatchSimilarity",
    "dct_matrix",
    "similarity_target",
]
