"""The `config.json` of a run directory, read and checked."""

import json

from lrl_keras.errors import InputError
from lrl_keras.system import files

CONFIG = "config.json"
SCHEMA_VERSION = 1
# Packages whose backbones a configuration may name; nothing else is ever imported for it.
_TRUSTED = ("keras", "keras_cv", "keras_hub")


def read(folder):
    """Read the `config.json` of a run directory.

    Args:
        folder: of the run, also a URL.

    Returns:
        dict whose form is checked, but not what its model says.

    Raises:
        InputError: naming the file that is missing, damaged or of another schema version.
    """
    files.require(folder)
    path = files.join(folder, CONFIG)
    try:
        config = json.loads(files.read_bytes(path))
    except FileNotFoundError:
        raise InputError(
            f"{path}: not found; {folder} is no run directory of `lrl-keras train`"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    version = config.get("schema_version") if isinstance(config, dict) else None
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: expected the configuration of a run, schema version {SCHEMA_VERSION}, "
            f"received version {version!r}"
        )
    if not isinstance(config.get("model"), dict):
        raise InputError(f"{path}: has no model; take it from a copy of the run")
    for name in ("records", "start", "versions"):
        if not isinstance(config.get(name, {}), dict):
            raise InputError(f"{path}: {name} must be an object. Received: {config[name]!r}")
    return config


def check_modules(value, source):
    """Raise `InputError` where a configuration names a module outside the packages of backbones.

    Args:
        value: what JSON gave.
        source: name of its file.
    """
    if isinstance(value, dict):
        module = value.get("module")
        if module is not None and str(module).split(".")[0] not in _TRUSTED:
            raise InputError(f"{source}: names the module {module!r}, which is not trusted")
        if value.get("class_name") in ("Lambda", "TFSMLayer", "__lambda__"):
            raise InputError(f"{source}: names {value['class_name']}, which could run code")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            check_modules(item, source)
