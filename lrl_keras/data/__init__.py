"""Records on disk to batches in memory."""

from lrl_keras.data.pipeline import boxes, examples, load

__all__ = ["boxes", "examples", "load"]
