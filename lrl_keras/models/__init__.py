"""The network, its backbones and its decoders, and what it is compared with."""

from lrl_keras.models.backbones import BACKBONES
from lrl_keras.models.classifier import Classifier
from lrl_keras.models.cost import multiply_adds
from lrl_keras.models.lrl import LRL

# What a run directory may hold.
ARCHITECTURES = {"lrl": LRL, "classifier": Classifier}

__all__ = ["ARCHITECTURES", "BACKBONES", "LRL", "Classifier", "multiply_adds"]
