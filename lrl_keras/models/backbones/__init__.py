"""Backbones, one row or one file each."""

from lrl_keras.models.backbones.table import (
    BACKBONES,
    LEVELS,
    Backbone,
    from_config,
    options,
    streams,
)

__all__ = ["BACKBONES", "LEVELS", "Backbone", "from_config", "options", "streams"]
