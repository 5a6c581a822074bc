"""Files behind URLs, by `tf.io.gfile`; TensorFlow is imported where one is used.

What goes wrong is an `OSError`, as with local files.
"""

import atexit
import contextlib
import ctypes
import errno
import io
import os
import warnings

from lrl_keras.errors import InputError, UnreachableError, how_to_install

_SEPARATOR = "://"
_IO_SCHEMES = ("s3", "az", "azfs", "http", "https", "viewfs", "har", "hdfs")


def is_url(path):
    """Return whether `path` is a URL such as `s3://bucket/records`, and no local path."""
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


class RemoteFile(io.RawIOBase):
    """A file behind a URL, read like one of Python's own."""

    def __init__(self, path):
        self._path = os.fspath(path)
        self._length = size(path)
        with as_os_errors(path):
            self._file = gfile().GFile(self._path, "rb")

    def readable(self):
        return True

    def seekable(self):
        return True

    def readinto(self, buffer):
        try:
            with as_os_errors(self._path):
                content = self._file.read(len(buffer))
        except OSError as error:
            raise UnreachableError(f"{self._path}: cannot be read on ({error.strerror})") from None
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset, whence=io.SEEK_SET):
        start = (lambda: 0, self.tell, lambda: self._length)[whence]
        position = offset + start()
        if position < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), self._path)
        with as_os_errors(self._path):
            self._file.seek(min(position, self._length))
        return position

    def tell(self):
        with as_os_errors(self._path):
            return self._file.tell()

    def close(self):
        if not self.closed:
            self._file.close()
        super().close()


def size(path):
    """Bytes of a file."""
    with as_os_errors(path):
        return gfile().stat(os.fspath(path)).length


def upload(local, temporary, path):
    """Copy a local file to `temporary`, beside `path`, and rename it to `path`."""
    with as_os_errors(path):
        try:
            if os.path.getsize(local) == 0:  # s3:// copies none of these
                with gfile().GFile(path, "wb") as file:
                    file.write(b"")
                return
            gfile().copy(local, temporary, overwrite=True)
            gfile().rename(temporary, path, overwrite=True)
        except BaseException:
            with contextlib.suppress(Exception):
                gfile().remove(temporary)
            raise


def gfile():
    """`tf.io.gfile`."""
    import tensorflow as tf

    return tf.io.gfile


def as_url(path):
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
    return gfile().get_registered_schemes()


def _no_io(scheme, reason):
    return (
        f"{scheme}:// needs tensorflow-io, but {reason}; it works with TensorFlow 2.16: "
        f"{how_to_install('io', 'tf216')}"
    )


@contextlib.contextmanager
def as_os_errors(path):
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
