"""Training of a network on records."""

from lrl_keras.training.trainer import Settings, build, compile, saved_settings, train

__all__ = ["Settings", "build", "compile", "saved_settings", "train"]
