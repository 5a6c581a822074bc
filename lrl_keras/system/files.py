"""Files on a disk, or behind any URL that `tf.io.gfile` knows: gs://, s3://, hdfs://, ...

Local paths go through the operating system and never import TensorFlow. What goes wrong is an
`OSError` either way.
"""

import atexit
import builtins
import contextlib
import ctypes
import errno
import hashlib
import io
import os
import pathlib
import posixpath
import shutil
import stat
import tempfile
import uuid
import warnings

from lrl_keras.errors import InputError, UnreachableError

_SEPARATOR = "://"
_IO_SCHEMES = ("s3", "az", "azfs", "http", "https", "viewfs", "har", "hdfs")
_BLOCK = 1 << 20


def is_url(path):
    """Whether `path` is a URL such as `s3://bucket/records`, and no local path."""
    return _SEPARATOR in os.fspath(path)


def require(path):
    """Raise `InputError` unless files below `path` can be reached.

    Imports `tensorflow_io`, which registers more kinds of URL, where it is needed.
    """
    if not is_url(path):
        return
    path = os.fspath(path)
    scheme = path.partition(_SEPARATOR)[0]
    if scheme in _schemes():
        return
    if scheme not in _IO_SCHEMES:
        raise InputError(
            f"{path}: {scheme}:// is not known; there are: "
            f"{', '.join(sorted(f'{name}://' for name in _schemes() if name))}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of what the line below says.
            import tensorflow_io  # noqa: F401
    except Exception as error:  # Its libraries fail to load in many ways.
        reason = "it is not installed" if isinstance(error, ModuleNotFoundError) else "it fails"
        raise InputError(f"{path}: {_no_io(scheme, reason)}") from None
    if scheme not in _schemes():
        raise InputError(f"{path}: {_no_io(scheme, 'its compiled part does not load')}")
    _leave_without_teardown()


def join(folder, *names):
    """The path of something in a folder, as a string."""
    return (posixpath if is_url(folder) else os.path).join(os.fspath(folder), *names)


def name_of(path):
    """The last part of a path."""
    return os.path.basename(os.fspath(path).rstrip("/"))


def open(path):
    """Open a file for reading bytes."""
    return io.BufferedReader(_Remote(path), _BLOCK) if is_url(path) else builtins.open(path, "rb")


def read_bytes(path):
    """The content of a file."""
    with open(path) as file:
        return file.read()


def exists(path):
    """Whether there is a file or a folder.

    Raises:
        OSError: the place behind a URL cannot be reached.
    """
    if not is_url(path):
        return os.path.exists(path)
    with _as_os_errors(path):
        return _gfile().exists(_url(path))


def is_file(path):
    """Whether there is a file."""
    if not is_url(path):
        return os.path.isfile(path)
    return exists(path) and not _gfile().isdir(_url(path))


def is_regular(path):
    """Whether there is a file, and no folder, pipe or device.

    Raises:
        OSError: nothing there, or it cannot be looked at.
    """
    if not is_url(path):
        return stat.S_ISREG(os.stat(path).st_mode)
    with _as_os_errors(path):
        return not _gfile().stat(_url(path)).is_directory


def is_folder(path):
    """Whether there is a folder.

    Raises:
        OSError: the place behind a URL cannot be reached.
    """
    if not is_url(path):
        return os.path.isdir(path)
    if _gfile().isdir(_url(path)):
        return True
    exists(path)  # `isdir` says no where nobody answers, this one says why.
    return False


def size(path):
    """Bytes of a file."""
    if not is_url(path):
        return os.path.getsize(path)
    with _as_os_errors(path):
        return _gfile().stat(os.fspath(path)).length


def names(folder):
    """Names of what lies in a folder, sorted, those of folders without a slash.

    In a bucket there are no empty folders: there a missing one has no names and is no error.
    """
    if not is_url(folder):
        return sorted(os.listdir(folder))
    with contextlib.suppress(FileNotFoundError), _as_os_errors(folder):
        return sorted({name.rstrip("/") for name in _gfile().listdir(_url(folder))} - {""})
    return []


def walk(folder):
    """Paths of all files below a folder, relative to it with forward slashes, in sorted order.

    Hidden files and folders are left out. Links to folders are followed, each folder once.

    Raises:
        OSError: a folder cannot be read.
    """

    def fail(error):
        raise error

    if is_url(folder):
        with _as_os_errors(folder):
            parents = list(_gfile().walk(_url(folder)))
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


def make_folder(path):
    """Make a folder and those above it, where they do not exist.

    Raises:
        InputError: it cannot be made.
    """
    require(path)
    try:
        if is_url(path):
            with _as_os_errors(path):
                _gfile().makedirs(_url(path))
        else:
            os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{path}: no folder and cannot be made one ({error.strerror}); choose another"
        ) from None


def remove(path):
    """Remove a file; nothing happens where there is none."""
    with contextlib.suppress(FileNotFoundError):
        if is_url(path):
            with _as_os_errors(path):
                _gfile().remove(os.fspath(path))
        else:
            os.remove(path)


def remove_tree(path):
    """Remove a folder and all that is in it."""
    if is_url(path):
        with _as_os_errors(path):
            _gfile().rmtree(os.fspath(path))
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
        with _as_os_errors(path):
            _gfile().copy(os.fspath(path), copy)
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
            _upload(str(temporary), join(folder, name), path)
        return
    temporary = pathlib.Path(folder, name)
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
    finally:
        remove(temporary)
    _sync(os.path.dirname(path) or ".")


def write_text(path, text):
    """Write a file by rename, so that it is there whole or not at all; see `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_temporary(name):
    """Whether a file is what a killed process was just writing in `replacing`."""
    return name.startswith(".") and len(name) > 34 and name[33] == "."


def sha256(path, on_read=None):
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


class _Remote(io.RawIOBase):
    """What lies behind a URL, as Python's own files are."""

    def __init__(self, path):
        self._path = os.fspath(path)
        self._length = size(path)
        with _as_os_errors(path):
            self._file = _gfile().GFile(self._path, "rb")

    def readable(self):
        return True

    def seekable(self):
        return True

    def readinto(self, buffer):
        try:
            with _as_os_errors(self._path):
                content = self._file.read(len(buffer))
        except OSError as error:
            raise UnreachableError(f"{self._path}: cannot be read on ({error.strerror})") from None
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset, whence=io.SEEK_SET):
        start = (0, self.tell, lambda: self._length)[whence]
        position = offset + (start() if whence else start)
        if position < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), self._path)
        with _as_os_errors(self._path):
            self._file.seek(min(position, self._length))
        return position

    def tell(self):
        with _as_os_errors(self._path):
            return self._file.tell()

    def close(self):
        if not self.closed:
            self._file.close()
        super().close()


def _upload(local, temporary, path):
    with _as_os_errors(path):
        try:
            if os.path.getsize(local) == 0:  # s3:// copies none of these
                with _gfile().GFile(path, "wb") as file:
                    file.write(b"")
                return
            _gfile().copy(local, temporary, overwrite=True)
            _gfile().rename(temporary, path, overwrite=True)
        except BaseException:
            with contextlib.suppress(Exception):
                _gfile().remove(temporary)
            raise


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _gfile():
    import tensorflow as tf

    return tf.io.gfile


def _url(path):
    """`path` as `tf.io.gfile` takes it: a bucket itself ends with a slash."""
    path = os.fspath(path)
    return path if "/" in path.partition(_SEPARATOR)[2] else f"{path}/"


def _leave_without_teardown():
    """Let this process end with its own exit code.

    The destructors of tensorflow-io 0.37.1 abort a process that has used s3://, when all is done
    (github.com/tensorflow/io/issues/2039). The C library calls first what was registered last:
    by then Python is finalized, its output flushed, and the exit code known.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # glibc
        atexit.register(lambda: libc.on_exit(libc._exit, None))


def _schemes():
    return _gfile().get_registered_schemes()


def _no_io(scheme, reason):
    return (
        f"{scheme}:// needs tensorflow-io, but {reason}; it works with TensorFlow 2.16: "
        "pip install -c constraints/tf216.txt 'lrl-keras[io]'"
    )


@contextlib.contextmanager
def _as_os_errors(path):
    """Turn the errors of `tf.io.gfile` into those of the operating system."""
    if not is_url(path):
        yield
        return
    import tensorflow as tf

    try:
        yield
    except tf.errors.NotFoundError:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path)) from None
    except tf.errors.PermissionDeniedError:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path)) from None
    except tf.errors.OpError as error:
        text = " ".join((error.message or type(error).__name__).split())
        raise OSError(errno.EIO, text, os.fspath(path)) from None
