"""The run directory: which model it holds, how it was trained, and how to get it back."""

import json

from lrl_keras import files
from lrl_keras.checkpoints import load_weights
from lrl_keras.errors import InputError
from lrl_keras.models import LRL

CONFIG = "config.json"
BEST = "best.weights.h5"
_SCHEMA_VERSION = 1
# Packages whose backbones a configuration may name; nothing else is ever imported for it.
_TRUSTED = ("keras", "keras_cv", "keras_hub")


def load(run):
    """The trained model of a run directory, in inference form.

    The architecture is built from `config.json` by this package and only numbers are read from the
    weights file, so a stranger's run directory runs no code.

    Args:
        run: folder that `lrl-keras train` wrote, also a URL.

    Returns:
        `LRL` with the best weights, not compiled, under the dtype policy in force.

    Raises:
        InputError: naming the file that is missing, damaged or does not fit.
    """
    config = read_config(run)
    model = build(config["model"], files.join(run, CONFIG))
    load_weights(model, files.join(run, BEST))
    return model


def build(model_config, source):
    """`LRL` of a configuration that came from the file `source`."""
    _check_modules(model_config, source)
    try:
        return LRL.from_config(model_config)
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{source}: no valid model configuration ({reason})") from error


def read_config(run):
    """`config.json` of a run directory as a dict, its form checked.

    Raises:
        InputError: if it is missing, damaged or of another schema version.
    """
    files.require(run)
    path = files.join(run, CONFIG)
    try:
        config = json.loads(files.read_bytes(path))
    except FileNotFoundError:
        raise InputError(
            f"{path}: not found; {run} is no run directory of `lrl-keras train`"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason})") from None
    version = config.get("schema_version") if isinstance(config, dict) else None
    if version != _SCHEMA_VERSION or not isinstance(config.get("model"), dict):
        raise InputError(
            f"{path}: expected the configuration of a run, schema version {_SCHEMA_VERSION}, "
            f"received version {version!r}"
        )
    return config


def write_config(run, config):
    """Write `config.json` by rename."""
    text = json.dumps({"schema_version": _SCHEMA_VERSION, **config}, indent=1, sort_keys=True)
    files.write_text(files.join(run, CONFIG), text + "\n")


def _check_modules(value, source):
    """Refuse a configuration that names a module outside the packages of backbones."""
    if isinstance(value, dict):
        module = value.get("module")
        if module is not None and str(module).split(".")[0] not in _TRUSTED:
            raise InputError(f"{source}: names the module {module!r}, which is not trusted")
        if value.get("class_name") in ("Lambda", "TFSMLayer", "__lambda__"):
            raise InputError(f"{source}: names {value['class_name']}, which could run code")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_modules(item, source)
