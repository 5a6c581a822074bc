"""Local Relation Learning for Face Forgery Detection (AAAI 2021) in Keras 3."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrl_keras.models import LRL
    from lrl_keras.saving.run import load, save

__version__ = "0.1.0"

__all__ = ["LRL", "load", "save"]

_HOMES = {
    "LRL": "lrl_keras.models",
    "load": "lrl_keras.saving.run",
    "save": "lrl_keras.saving.run",
}
_ROOMS = (
    "benchmark",
    "data",
    "evaluation",
    "export",
    "layers",
    "losses",
    "media",
    "metrics",
    "models",
    "optimizers",
    "plots",
    "prediction",
    "saving",
    "serving",
    "system",
    "training",
)


def __getattr__(name):
    # Nothing is imported before it is used: the command line answers `--help` at once and can
    # quieten TensorFlow first, and the layers come without TensorFlow on the other backends.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"lrl_keras.{name}")
    raise AttributeError(f"module 'lrl_keras' has no attribute {name!r}")


def __dir__():
    return [*globals(), *_HOMES, *_ROOMS]
