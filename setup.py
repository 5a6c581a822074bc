from setuptools import setup

setup()  # All is in pyproject.toml.
