"""The network, its backbones and its decoders."""

from lrl_keras.models.backbones import BACKBONES
from lrl_keras.models.cost import multiply_adds
from lrl_keras.models.lrl import LRL

__all__ = ["BACKBONES", "LRL", "multiply_adds"]
