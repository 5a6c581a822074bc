"""Records on disk to batches in memory."""

from lrl_keras.data.dataset import boxes, examples, load

__all__ = ["boxes", "examples", "load"]
