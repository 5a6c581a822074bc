"""`lrl-keras`: the verbs, their options, and what they print."""

from lrl_keras.cli.main import main

__all__ = ["main"]
