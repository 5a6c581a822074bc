"""Metrics of networks on records, clean and degraded, side by side, and a look at records."""

from lrl_keras.evaluation.comparison import compare
from lrl_keras.evaluation.evaluator import evaluate

__all__ = ["compare", "evaluate"]
