"""Backbones: one row of the table, or one file, each."""

from lrl_keras.models.backbones.stages import LEVELS, from_config, streams
from lrl_keras.models.backbones.table import BACKBONES, Backbone, options

__all__ = ["BACKBONES", "LEVELS", "Backbone", "from_config", "options", "streams"]
