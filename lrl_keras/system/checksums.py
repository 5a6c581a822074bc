"""SHA-256 of many files at once: records are hashed before each training, and may be 100 GB."""

import concurrent.futures
import contextlib
import errno
import os
import sys
import threading

from tqdm import tqdm

from lrl_keras.system import files

# Some wait for a disk or a bucket while others compute.
_THREADS = 8


def sha256(paths, *, progress=True, delay=2):
    """Hash files on several threads.

    Args:
        paths: list of files, also URLs.
        progress: show a bar on standard error, in bytes, where it takes long.
        delay: seconds after which that is. Defaults to 2.

    Yields:
        for each file, in order: its hexadecimal SHA-256, or the `OSError` that reading it gave.
    """
    found = sizes(paths)
    with _bar(found, progress, delay) as advance, _threads() as pool:

        def digest(path, size):
            return size if isinstance(size, OSError) else _attempt(files.sha256, path, advance)

        yield from pool.map(digest, paths, found)


def sizes(paths):
    """Look at files, without reading them.

    Args:
        paths: list of files, also URLs.

    Returns:
        for each file: its size in bytes, or the `OSError` that says why it is none.
    """
    with _threads() as pool:
        return list(pool.map(lambda path: _attempt(_size, path), paths))


def _attempt(function, path, *arguments):
    try:
        return function(path, *arguments)
    except OSError as error:
        return error


def _size(path):
    if not files.is_regular(path):
        raise FileNotFoundError(errno.ENOENT, "no file", os.fspath(path))
    return files.size(path)


@contextlib.contextmanager
def _threads():
    pool = concurrent.futures.ThreadPoolExecutor(_THREADS)
    try:
        yield pool
    finally:
        # Whoever asks may stop at the first file that differs.
        pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _bar(found, progress, delay):
    """Yield a function that is called with the number of bytes read, by any thread."""
    lock = threading.Lock()
    with tqdm(
        total=sum(size for size in found if isinstance(size, int)),
        unit="B",
        unit_scale=True,
        desc="checksums",
        file=sys.stderr,
        delay=delay,
        disable=not progress,
    ) as bar:

        def advance(count):
            with lock:
                bar.update(count)

        yield advance
