"""The run directory: which model it holds, how it was trained, and how to get it back."""

import json
from importlib import metadata
from pathlib import Path

from lrl_keras.errors import InputError
from lrl_keras.models import ARCHITECTURES
from lrl_keras.saving.checkpoints import load_weights, save_weights
from lrl_keras.system import files

# The name of the detector that comes with this package.
DEFAULT = "default"
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
        run: folder that `lrl-keras train` wrote, also a URL; or `"default"`, the detector that
            comes with this package.

    Returns:
        one of `lrl_keras.models.ARCHITECTURES` with the best weights, not compiled, under the
        dtype policy in force.

    Raises:
        InputError: naming the file that is missing, damaged or does not fit.
    """
    config = read_config(run)
    folder = folder_of(run)
    model = build(config, files.join(folder, CONFIG))
    load_weights(model, files.join(folder, BEST))
    return model


def load_weights_of(run, model):
    """Give `model` the best weights of a run.

    Raises:
        InputError: naming the file that is missing, damaged or of another network.
    """
    path = files.join(folder_of(run), BEST)
    read_config(run)
    load_weights(model, path, "give the settings of that run's network, or another run")


def folder_of(run):
    """Where a run lies: the folder itself, or that of the shipped detector for `"default"`."""
    return Path(__file__).with_name("shipped") if run == DEFAULT else run


def fingerprint(run):
    """SHA-256 of the best weights of a run.

    Raises:
        InputError: naming the file that is missing.
    """
    read_config(run)
    path = files.join(folder_of(run), BEST)
    if not files.exists(path):
        raise InputError(f"{path}: not found")
    return files.sha256(path)


def is_run(path):
    """Whether a folder holds a run."""
    return files.exists(files.join(path, CONFIG))


def save(model, run, *, half=False, about=None):
    """Write a network as a run directory that `load` reads; it has no history and no records.

    Args:
        model: one of `lrl_keras.models.ARCHITECTURES`.
        run: folder, also a URL; must not hold a run already.
        half: whether kernels are stored in float16.
        about: JSON-able; what else `config.json` says of it, by name.

    Raises:
        InputError: it holds a run, or cannot be written.
        ValueError: a weight is not finite.
    """
    refuse_default(run)
    files.make_folder(run)
    if is_run(run):
        raise InputError(f"{run}: holds a run already; name another folder")
    save_weights(model, files.join(run, BEST), half=half)
    known = {"architecture": architecture(model), "model": model.get_config()}
    write_config(run, {**(about or {}), **known, "versions": versions()})


def refuse_default(run):
    """Raise `InputError` where a run is to be written under the name of the shipped detector."""
    if run == DEFAULT:
        raise InputError(
            f"{run}: the name of the shipped detector; name another folder, such as ./{run}-2"
        )


def build(config, source):
    """The network of a run's configuration, which came from the file `source`."""
    # Runs from before there was a choice do not say it.
    name = config.get("architecture", "lrl")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise InputError(
            f"{source}: architecture must be one of {', '.join(ARCHITECTURES)}, received {name!r}"
        )
    _check_modules(config["model"], source)
    try:
        return ARCHITECTURES[name].from_config(config["model"])
    except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{source}: no valid model configuration ({reason})") from error


def read_config(run):
    """`config.json` of a run directory as a dict, its form checked.

    Raises:
        InputError: if it is missing, damaged or of another schema version.
    """
    run = folder_of(run)
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


def versions():
    """Versions of what a network is made with, by package."""
    return {name: metadata.version(name) for name in ("lrl-keras", "keras", "tensorflow")}


def architecture(model):
    """The name of a network in `ARCHITECTURES`."""
    return next(name for name, kind in ARCHITECTURES.items() if type(model) is kind)


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
