"""Metrics of a network on records, clean and degraded, and a look at records."""

from lrl_keras.evaluation.evaluator import evaluate

__all__ = ["evaluate"]
