"""Local Relation Learning for Face Forgery Detection (AAAI 2021) in Keras 3."""

import importlib
import os

__version__ = "0.1.0"

__all__ = ["LRL", "load", "save"]

_HOMES = {
    "LRL": "lrl_keras.models",
    "load": "lrl_keras.saving.run",
    "save": "lrl_keras.saving.run",
}
_ROOMS = (
    "data",
    "evaluation",
    "export",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "prediction",
    "saving",
    "serving",
    "training",
)

# TensorFlow's default on processors with VNNI instructions alone; faster on others too, and with
# other last bits. TensorFlow reads it when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# TensorFlow reads this before its first operation. Without it every tensor of more than 32 MB is
# taken from the kernel page by page and given back, in every step, which takes much of its time.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
# It would hold 64 GB at most, less than `--cache` may take on a large machine.
os.environ.setdefault("TF_CPU_BFC_MEM_LIMIT_IN_MB", str(1 << 24))


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
