"""Tar archive of images as one clip, read without unpacking it to disk."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.media.sequences import NO_IMAGE, is_frame_name, natural_key
from lrl_keras.media.video import MAX_FRAMES
from lrl_keras.system import files

if TYPE_CHECKING:
    import numpy as np

ENDINGS = (".tar", ".tar.gz", ".tgz")

_MAX_BYTES = 1 << 37  # of an archive, unpacked
_MAX_HEADER_BYTES = 1 << 16  # of one file: all that precedes its content
_MAX_HELD_BYTES = 1 << 31  # of all wanted files of one clip
_BLOCK = 512
_GZIP = b"\x1f\x8b"
# Errors that damaged and cut off archives cause, compressed or not.
_ERRORS = (tarfile.TarError, OSError, EOFError, ValueError, zlib.error)


@dataclasses.dataclass(frozen=True)
class _Member:
    """Place of an image in the unpacked archive."""

    name: str
    start: int
    size: int


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Return whether a path has the ending of a tar archive."""
    return str(path).lower().endswith(ENDINGS)


def stem(name: str) -> str:
    """Return the name of an archive without its ending: `7` for `7.tar.gz`."""
    ending = max((end for end in ENDINGS if name.lower().endswith(end)), key=len, default="")
    return name[: len(name) - len(ending)]


class Archive:
    """Images in a tar archive, sorted by name, where numbers are compared as numbers.

    Links, devices and the like are skipped, and no name is ever used as a path. Of two files with
    the same name the second one is used, as when an archive is unpacked.

    Args:
        path: tar archive, gzipped or not, with any name.

    Attributes:
        path: as given.
        names: of the images.
        count, stated: see `lrl_keras.media.clip.open_clip`.

    Raises:
        InputError: naming the archive, where it is damaged, cut off or holds no image.
    """

    stated = 0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        try:
            if not files.is_regular(path):
                raise InputError(
                    f"{path}: no file but a folder, pipe or device; give a tar archive"
                )
            with _unpacked(path) as file:
                found = {member.name: member for member in _images(_Stream(file))}
        except OSError as error:
            raise InputError(f"{path}: cannot be opened ({error.strerror})") from None
        if not found:
            raise InputError(f"{path}: {NO_IMAGE}")
        self._members = sorted(found.values(), key=lambda member: natural_key(member.name))
        self.names = [member.name for member in self._members]
        self.count = len(self.names)

    def frames(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the wanted images; see `lrl_keras.media.clip.open_clip`.

        Raises:
            InputError: the archive has changed, or the files of the wanted images have more than
                2 GiB together.
        """
        wanted = {index: self._members[index] for index in indices if index < self.count}
        wanted = {i: each for i, each in wanted.items() if each.size <= images.MAX_BYTES}
        if sum(member.size for member in wanted.values()) > _MAX_HELD_BYTES:
            raise InputError(
                f"{self.path}: {len(wanted)} of its images have more than {_MAX_HELD_BYTES} bytes; "
                "choose fewer frames of each video"
            )
        contents = {}
        with _unpacked(self.path) as file:
            # Going back in a gzip file would unpack it from its start again.
            for index, member in sorted(wanted.items(), key=lambda item: item[1].start):
                file.seek(member.start)
                contents[index] = file.read(member.size)
        for index in sorted(contents):
            name = f"{self.path}:{wanted[index].name}"
            with contextlib.suppress(InputError):
                yield index, images.decode_image(io.BytesIO(contents.pop(index)), name)


def _images(stream):
    archive = tarfile.TarFile(fileobj=stream, encoding="utf-8")
    # Python 3.10 would seek to before its start.
    empty = archive.firstmember is None  # type: ignore[attr-defined]
    for _ in range(MAX_FRAMES):
        member = None if empty else archive.next()
        if member is None:
            stream.check_end()
            return
        # `tarfile` keeps them all otherwise.
        archive.members.clear()  # type: ignore[attr-defined]
        stream.begin_header()
        if member.isreg() and not member.issparse() and is_frame_name(member.name):
            yield _Member(member.name, member.offset_data, member.size)
    raise tarfile.ReadError(f"more than {MAX_FRAMES} files")


class _Stream:
    """Unpacked archive whose headers are read forwards only, and little at a time.

    A small gzip file may hold a header of many gigabytes, and a damaged or malicious one may lead
    `tarfile` in circles.
    """

    def __init__(self, file):
        self._file = file
        self._last = b""
        self.tell = file.tell
        self.begin_header()

    def begin_header(self):
        """Allow the bytes of one header to be read."""
        self._allowed = _MAX_HEADER_BYTES

    def read(self, size):
        self._allowed -= size
        if self._allowed < 0:
            raise tarfile.ReadError(f"a header of more than {_MAX_HEADER_BYTES} bytes")
        self._last = self._file.read(size)
        return self._last

    def seek(self, position):
        if not self.tell() <= position <= _MAX_BYTES:
            raise tarfile.ReadError(f"a file that ends at byte {position}")
        self._file.seek(position)

    def check_end(self):
        """Raise an error unless the archive ended with the block of zeros that marks its end.

        `tarfile` takes the end of the file, or any block that is no header, for this end too. The
        rest is read because it holds the checksum of a gzip file.
        """
        if self._last != bytes(_BLOCK):
            raise tarfile.ReadError("it does not end as a tar archive does")
        while self._file.read(1 << 20):
            if self.tell() > _MAX_BYTES:
                raise tarfile.ReadError(f"more than {_MAX_BYTES} bytes")


@contextlib.contextmanager
def _unpacked(path):
    """Open an archive as a file object that can seek, without gzip's compression."""
    try:
        with files.open(path) as file:
            compressed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            yield gzip.GzipFile(fileobj=file) if compressed else file
    except _ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: no tar archive, damaged or cut off ({reason}); copy it again"
        ) from None
