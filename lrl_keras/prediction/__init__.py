"""Scores of images and videos."""

from lrl_keras.prediction.predictor import predict

__all__ = ["predict"]
