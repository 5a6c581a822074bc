"""From records on disk to batches in memory."""

from lrl_keras.data.pipeline import examples, load
from lrl_keras.data.readers import boxes
from lrl_keras.data.records import Records

__all__ = ["Records", "boxes", "examples", "load"]
