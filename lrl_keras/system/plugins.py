"""Plug-ins: the modules of a folder, found by being there."""

import importlib
import pkgutil


def modules(package):
    """Import all modules of a package's folder.

    Args:
        package: the package, as `sys.modules[__name__]` is in its `__init__.py`.

    Returns:
        list of modules in the order of their names.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]
