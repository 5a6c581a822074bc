"""A trained network as a file that others run without this package."""

from lrl_keras.export.exporter import (
    FORMATS,
    INPUT_TYPES,
    OUTPUTS,
    QUANTIZATIONS,
    export,
    finished,
)

__all__ = ["FORMATS", "INPUT_TYPES", "OUTPUTS", "QUANTIZATIONS", "export", "finished"]
