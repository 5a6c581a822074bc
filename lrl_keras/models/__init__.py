"""Forgery detectors by name, their backbones and decoders."""

from lrl_keras.models.backbones import BACKBONES
from lrl_keras.models.cost import multiply_adds
from lrl_keras.models.detector import DETECTORS, Detector, build, detector, register_detector
from lrl_keras.models.lrl import LRL
from lrl_keras.models.zoo.classifier import Classifier

__all__ = [
    "BACKBONES",
    "DETECTORS",
    "LRL",
    "Classifier",
    "Detector",
    "build",
    "detector",
    "multiply_adds",
    "register_detector",
]
