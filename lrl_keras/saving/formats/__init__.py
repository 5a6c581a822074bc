"""Formats of exported files, one file each; a file that is put here is found."""

import sys

from lrl_keras.saving.formats.format import Format
from lrl_keras.system import plugins

FORMATS = {
    module.FORMAT.name: module.FORMAT
    for module in plugins.modules(sys.modules[__name__])
    if hasattr(module, "FORMAT")
}

__all__ = ["FORMATS", "Format"]
