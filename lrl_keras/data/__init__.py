"""Records on disk to batches in memory."""

from lrl_keras.data.dataset import examples, load

__all__ = ["examples", "load"]
