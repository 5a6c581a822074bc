"""Files of weights that are written whole or not at all, and that show their own damage.

A file is written under a temporary name, sealed with the SHA-256 of its bytes, synced and renamed.
The seal is a footer behind the HDF5 data, which HDF5 readers ignore, so that file and checksum
are replaced in one step and `model.load_weights` of Keras still reads the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import h5py
import keras
import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.system import files

_MARK = b"lrl_keras sha256"
_FOOTER = len(_MARK) + 32
_ABOUT = "lrl_keras"


def save_weights(
    model: keras.Model,
    path: str | os.PathLike[str],
    about: dict[str, Any] | None = None,
    *,
    half: bool = False,
) -> None:
    """Save a model's weights in Keras' format, sealed.

    Args:
        model: a built `keras.Model`.
        path: file to write, ending in `.weights.h5`.
        about: JSON-serialisable facts to store with them.
        half: whether kernels are stored in float16, to a thousandth of each value; the statistics
            and factors of normalisation and all offsets stay in float32.

    Raises:
        ValueError: if a weight is not finite; `path` is left as it was.
    """
    check_finite(model.variables)
    with _replacing(path, ".weights.h5") as temporary:
        model.save_weights(temporary)
        if half:
            _halve(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs[_ABOUT] = json.dumps(about or {})


def load_weights(
    model: keras.Model, path: str | os.PathLike[str], remedy: str = "take both from one run"
) -> dict[str, Any]:
    """Load what `save_weights` wrote.

    Args:
        model: a built `keras.Model`.
        path: the file.
        remedy: advice for the error where it holds the weights of another network.

    Returns:
        the facts stored with the weights.

    Raises:
        InputError: if the file is missing, damaged, or does not fit the model.
    """
    about = json.loads(_verified(path).attrs[_ABOUT])
    try:
        with files.local(path) as file, warnings.catch_warnings():
            # Keras warns of each layer that does not fit before it fails.
            warnings.simplefilter("ignore")
            model.load_weights(file)
    except (ValueError, KeyError, OSError) as error:
        reason = " ".join(str(error).split())
        reason = reason if len(reason) <= 200 else f"{reason[:200]} ..."
        raise InputError(f"{path}: does not fit the network ({reason}); {remedy}") from error
    return about


def save_state(
    variables: Sequence[Any], path: str | os.PathLike[str], about: dict[str, Any]
) -> None:
    """Save the values of `variables`, in order, sealed.

    Unlike Keras' formats this holds every variable: seeds of random layers and the state of the
    optimizer too.

    Raises:
        ValueError: if a value is not finite; `path` is left as it was.
    """
    check_finite(variables)
    with _replacing(path, ".h5") as temporary, h5py.File(temporary, "w") as file:
        file.attrs[_ABOUT] = json.dumps(about)
        for index, variable in enumerate(variables):
            dataset = file.create_dataset(f"{index:05d}", data=_numpy(variable))
            dataset.attrs["path"] = variable.path


def load_state(variables: Sequence[Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    """Assign what `save_state` wrote to `variables`.

    Returns:
        the facts stored with the values.

    Raises:
        InputError: if the file is missing, damaged, or holds other variables.
    """
    with _verified(path) as file:
        about = json.loads(file.attrs[_ABOUT])
        stored = [file[name] for name in sorted(file)]
        shapes = [tuple(dataset.shape) for dataset in stored]
        if shapes != [tuple(variable.shape) for variable in variables]:
            raise InputError(f"{path}: holds the state of another model; use its own run folder")
        for variable, dataset in zip(variables, stored, strict=True):
            variable.assign(dataset[()])
    return about


def check_finite(variables: Iterable[Any]) -> None:
    """Raise `ValueError` naming the first variable that has a value which is not finite."""
    for variable in variables:
        value = _numpy(variable)
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            raise ValueError(f"variable {variable.path} is not finite")


def _halve(path):
    """Store the kernels of a file in float16."""
    with h5py.File(io.BytesIO(path.read_bytes()), "r") as whole, h5py.File(path, "w") as small:

        def copy(name, item):
            if not isinstance(item, h5py.Dataset):
                found = small.create_group(name)
            else:
                values = item[()]
                kernel = values.ndim > 1 and values.dtype == np.float32
                found = small.create_dataset(name, data=values.astype("f2") if kernel else values)
            found.attrs.update(item.attrs)

        small.attrs.update(whole.attrs)
        whole.visititems(copy)


@contextlib.contextmanager
def _replacing(path, ending):
    if not str(path).endswith(ending):
        raise ValueError(f"Expected a path that ends in {ending!r}. Received: {path}")
    with files.replacing(path) as temporary:
        yield temporary
        digest = hashlib.sha256(temporary.read_bytes()).digest()
        with open(temporary, "ab") as file:
            file.write(_MARK + digest)


def _verified(path):
    """Open the HDF5 file at `path` from memory, after checking its seal."""
    try:
        content = files.read_bytes(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    body, footer = content[:-_FOOTER], content[-_FOOTER:]
    if not footer.startswith(_MARK) or hashlib.sha256(body).digest() != footer[len(_MARK) :]:
        raise InputError(
            f"{path}: damaged, or not written by lrl_keras: its checksum does not hold"
        )
    return h5py.File(io.BytesIO(body), "r")


def _numpy(variable):
    return keras.ops.convert_to_numpy(variable)
