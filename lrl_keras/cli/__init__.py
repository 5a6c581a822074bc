"""`lrl-keras`: the only room that knows flags and prints."""

from lrl_keras.cli.main import main

__all__ = ["main"]
