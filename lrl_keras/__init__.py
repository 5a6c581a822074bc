"""Local Relation Learning for Face Forgery Detection (AAAI 2021) in Keras 3."""

__version__ = "0.1.0"

from lrl_keras.models.lrl import LRL

__all__ = ["LRL"]
