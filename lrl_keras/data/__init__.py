"""From records on disk to batches in memory."""

from lrl_keras.data.pipeline import boxes, examples, load
from lrl_keras.data.records import Records

__all__ = ["Records", "boxes", "examples", "load"]
