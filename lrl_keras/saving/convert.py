"""Runs made of the weights that other projects published."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lrl_keras.errors import InputError
from lrl_keras.saving import mesonet
from lrl_keras.saving.run import Run, save
from lrl_keras.system import files

if TYPE_CHECKING:
    from lrl_keras.models import Detector

# Kind -> function of a file's content that returns the network and facts about the file, and
# raises `ValueError` on a content that is another.
KINDS: dict[str, Callable[[bytes], tuple[Detector, dict[str, Any]]]] = {"mesonet": mesonet.read}
_MOST_BYTES = 2**26


def convert(kind: str, file: str | os.PathLike[str], run: str | os.PathLike[str]) -> Run:
    """Write a run from a file of weights that another project published.

    Only numbers are read from the file; it runs no code. The run is one as `lrl_keras.save`
    writes it, with a `crop_margin` of 1.3, also where the other project cut faces otherwise; its
    `config.json` has name, SHA-256 and licence of the file under `source`.

    Args:
        kind: `"mesonet"`, for `weights/*.h5` of github.com/DariusAf/MesoNet.
        file: path or URL.
        run: folder to write, also a URL; must not hold a run already.

    Returns:
        the `Run`.

    Raises:
        InputError: there is no such kind; the file is missing, damaged or of another kind; or the
            run cannot be written.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {', '.join(KINDS)}. Received: {kind!r}")
    try:
        if files.size(file) > _MOST_BYTES:
            raise InputError(f"{file}: too large for weights of {kind}; name their file")
        content = files.read_bytes(file)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror or error})") from None
    try:
        model, about = KINDS[kind](content)
    except ValueError as error:
        raise InputError(f"{file}: {error}") from None
    digest = hashlib.sha256(content).hexdigest()
    source = {"kind": kind, "file": files.name_of(file), "sha256": digest, **about}
    save(model, run, about={"source": source})
    return Run.open(run)
