"""Versions of the packages that the records' bytes depend on."""

from importlib import metadata

import lrl_keras

_PACKAGES = ("tensorflow", "keras", "av", "mtcnn", "pillow", "numpy", "scikit-image", "scipy")


def versions():
    """Read the versions by name of package, for the manifest."""
    return {
        "lrl_keras": lrl_keras.__version__,
        **{package: metadata.version(package) for package in _PACKAGES},
    }
