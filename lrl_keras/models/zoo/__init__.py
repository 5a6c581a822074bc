"""Forgery detectors that LRL is compared with, one a file; every file in this folder is found."""

import sys

from lrl_keras.models.detector import DETECTORS
from lrl_keras.system import plugins

for _module in plugins.modules(sys.modules[__name__]):
    globals().update(
        {kind.__name__: kind for kind in DETECTORS.values() if kind.__module__ == _module.__name__}
    )
