"""Every operation on files, all in one place: on a disk, or behind a URL that `tf.io.gfile` knows.

Local paths go through the operating system and never import TensorFlow. What goes wrong is an
`OSError` either way.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import io
import json
import os
import pathlib
import posixpath
import shutil
import stat
import tempfile
import uuid
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from lrl_keras.errors import InputError
from lrl_keras.system import remote
from lrl_keras.system.remote import is_url, require

_BLOCK = 1 << 20


def join(folder: str | os.PathLike[str], *names: str) -> str:
    """The path of something in a folder, as a string."""
    return (posixpath if is_url(folder) else os.path).join(os.fspath(folder), *names)


def name_of(path: str | os.PathLike[str]) -> str:
    """The last part of a path."""
    return os.path.basename(os.fspath(path).rstrip("/"))


def open(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file for reading bytes."""
    if is_url(path):
        return io.BufferedReader(remote.RemoteFile(path), _BLOCK)
    return builtins.open(path, "rb")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The content of a file."""
    with open(path) as file:
        return file.read()


def exists(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a file or a folder.

    Raises:
        OSError: the place behind a URL cannot be reached.
    """
    if not is_url(path):
        return os.path.exists(path)
    with remote.as_os_errors(path):
        return remote.gfile().exists(remote.as_url(path))


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a file."""
    if not is_url(path):
        return os.path.isfile(path)
    return exists(path) and not remote.gfile().isdir(remote.as_url(path))


def is_regular(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a file, and no folder, pipe or device.

    Raises:
        OSError: nothing there, or it cannot be looked at.
    """
    if not is_url(path):
        return stat.S_ISREG(os.stat(path).st_mode)
    with remote.as_os_errors(path):
        return not remote.gfile().stat(remote.as_url(path)).is_directory


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Return whether there is a folder.

    Raises:
        OSError: the place behind a URL cannot be reached.
    """
    if not is_url(path):
        return os.path.isdir(path)
    if remote.gfile().isdir(remote.as_url(path)):
        return True
    exists(path)  # `isdir` says no where nobody answers, this one says why.
    return False


def size(path: str | os.PathLike[str]) -> int:
    """Bytes of a file."""
    return remote.size(path) if is_url(path) else os.path.getsize(path)


def names(folder: str | os.PathLike[str]) -> list[str]:
    """Names of what lies in a folder, sorted, those of folders without a slash.

    In a bucket there are no empty folders: there a missing one has no names and is no error.
    """
    if not is_url(folder):
        return sorted(os.listdir(folder))
    with contextlib.suppress(FileNotFoundError), remote.as_os_errors(folder):
        found = remote.gfile().listdir(remote.as_url(folder))
        return sorted({name.rstrip("/") for name in found} - {""})
    return []


def walk(folder: str | os.PathLike[str]) -> list[str]:
    """Paths of all files below a folder, relative to it with forward slashes, in sorted order.

    Hidden files and folders are left out. Links to folders are followed, each folder once.

    Raises:
        OSError: a folder cannot be read.
    """

    def fail(error):
        raise error

    parents: Iterable[tuple[Any, list[Any], list[Any]]]
    if is_url(folder):
        with remote.as_os_errors(folder):
            parents = list(remote.gfile().walk(remote.as_url(folder)))
    else:
        parents = os.walk(folder, onerror=fail, followlinks=True)
    found, seen = [], set()
    for parent, folders, files in parents:
        place = parent if is_url(folder) else os.path.realpath(parent)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if place in seen:
            folders.clear()
            continue
        seen.add(place)
        inside = os.fspath(parent)[len(os.fspath(folder)) :].replace(os.sep, "/").strip("/")
        if any(part.startswith(".") for part in inside.split("/")):
            continue
        found += [posixpath.join(inside, name) for name in files if not name.startswith(".")]
    return sorted(found)


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and those above it, where they do not exist.

    Raises:
        InputError: it cannot be made.
    """
    require(path)
    try:
        if is_url(path):
            with remote.as_os_errors(path):
                remote.gfile().makedirs(remote.as_url(path))
        else:
            os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: no folder and cannot be made one ({error.strerror}); choose another"
        ) from None


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file; nothing happens where there is none."""
    with contextlib.suppress(FileNotFoundError):
        if is_url(path):
            with remote.as_os_errors(path):
                remote.gfile().remove(os.fspath(path))
        else:
            os.remove(path)


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Remove a folder and all that is in it."""
    if is_url(path):
        with remote.as_os_errors(path):
            remote.gfile().rmtree(os.fspath(path))
    else:
        shutil.rmtree(path)


@contextlib.contextmanager
def local(path):
    """Context that yields a path on this machine with the content of `path`."""
    if not is_url(path):
        yield os.fspath(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        # The name stays, for readers that look at the ending.
        copy = os.path.join(folder, name_of(path))
        with remote.as_os_errors(path):
            remote.gfile().copy(os.fspath(path), copy)
        yield copy


@contextlib.contextmanager
def replacing(path, scratch=None):
    """Context that yields a local `Path` to write, and puts the file at `path` when it is whole.

    The file appears at `path` by a rename, so that it is there whole or not at all; a local one
    is on disk before that.

    Args:
        path: the file to write.
        scratch: folder for the temporary file, on the same disk; default: that of `path`.
    """
    path = os.fspath(path)
    folder = os.path.dirname(path) if scratch is None else os.fspath(scratch)
    # The name ends as `path` does, for writers that look at the ending, and differs from that of
    # any other writer, on this machine or another.
    name = f".{uuid.uuid4().hex}.{name_of(path)}"
    if is_url(path):
        with tempfile.TemporaryDirectory() as here:
            temporary = pathlib.Path(here, name)
            yield temporary
            remote.upload(str(temporary), join(folder, name), path)
        return
    temporary = pathlib.Path(folder, name)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    finally:
        remove(temporary)
    _sync(os.path.dirname(path) or ".")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a file by rename, so that it is there whole or not at all; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: object) -> None:
    """Write JSON, indented and sorted by name, as `write_text` writes text."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def is_temporary(name: str) -> bool:
    """Return whether `name` is that of a file which a killed `replacing` left behind."""
    return name.startswith(".") and len(name) > 34 and name[33] == "."


def sha256(path: str | os.PathLike[str], on_read: Callable[[int], object] | None = None) -> str:
    """Hexadecimal SHA-256 of a file.

    Args:
        path: the file, also a URL.
        on_read: called with the number of bytes of each block read.
    """
    digest = hashlib.sha256()
    with open(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            if on_read is not None:
                on_read(len(block))
    return digest.hexdigest()


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
