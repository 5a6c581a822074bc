"""The detectors that the paper compares with, trained and measured like its own network."""

from lrl_keras.models.baselines.classifier import Classifier

__all__ = ["Classifier"]
