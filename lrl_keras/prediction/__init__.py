"""Scores of images and videos."""

from lrl_keras.prediction.predictor import CROPS, predict

__all__ = ["CROPS", "predict"]
