"""A tar archive of images as one clip, read without unpacking it to disk."""

import contextlib
import functools
import io
import tarfile
import zlib

from lrl_keras import files
from lrl_keras.data import images
from lrl_keras.errors import InputError
from lrl_keras.video import MAX_FRAMES
from tfrecords.sequences import is_image_name, natural_key

ENDINGS = (".tar", ".tar.gz", ".tgz")

# What a damaged or cut off archive ends in, compressed or not.
_ERRORS = (tarfile.TarError, OSError, EOFError, zlib.error)


def is_archive(path):
    """Whether a path ends as that of a tar archive does."""
    return str(path).lower().endswith(ENDINGS)


def members(path):
    """Names of the images in an archive, in order: numbers in names count as numbers.

    Args:
        path: tar archive, compressed or not, whatever its name says.

    Raises:
        InputError: naming the archive, where it is damaged, cut off or holds no image.
    """
    try:
        return _members(str(path), files.size(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from None


def read_frames(path, indices):
    """Decode the wanted images of an archive; see `tfrecords.media.read_frames`."""
    wanted = {name: index for index, name in enumerate(members(path)) if index in set(indices)}
    found = {}
    with _open(path) as archive:
        for member in _images(archive):
            if member.name in wanted and member.size <= images.MAX_BYTES:
                content = archive.extractfile(member).read()
                with contextlib.suppress(InputError):
                    image = images.decode_image(io.BytesIO(content), f"{path}:{member.name}")
                    found[wanted[member.name]] = image
            if len(found) == len(wanted):
                break
    yield from sorted(found.items(), key=lambda item: item[0])


# `timeline` and `read_frames` of one clip follow each other; a pass over a large archive is slow.
@functools.lru_cache(maxsize=4)
def _members(path, size):
    with _open(path) as archive:
        names = {member.name for member in _images(archive)}
    if not names:
        raise InputError(f"{path}: holds no image; expected PNG, JPEG, WebP, BMP or TIFF files")
    return tuple(sorted(names, key=natural_key))


def _images(archive):
    for number, member in enumerate(archive):
        if number >= MAX_FRAMES:
            raise tarfile.TarError(f"more than {MAX_FRAMES} files")
        if member.isfile() and is_image_name(files.name_of(member.name)):
            yield member


@contextlib.contextmanager
def _open(path):
    """The archive as a stream, so that nothing is unpacked that is not wanted."""
    try:
        with files.open(path) as file, tarfile.open(fileobj=file, mode="r|*") as archive:
            yield archive
    except _ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: no tar archive, damaged or cut off ({reason}); copy it again"
        ) from None
