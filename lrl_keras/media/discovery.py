"""Images and videos in the files and folders that a user names."""

from __future__ import annotations

import dataclasses
import logging
import os
import re
from collections.abc import Iterable, Iterator

from lrl_keras.errors import InputError
from lrl_keras.media import containers, images
from lrl_keras.media.images import shown
from lrl_keras.system import files

_log = logging.getLogger(__name__)
# A file with such a name is meant as an image or a video, whatever its content is.
_IMAGE_NAME = re.compile(
    r"\.(a?png|jpe?g|jpe|jfif|webp|bmp|tiff?|gif|hei[cf]|avif|jp2|jxl)", re.IGNORECASE
)
_VIDEO_NAME = re.compile(
    r"\.(mp4|m4v|mov|mkv|webm|avi|flv|m2?ts|mpe?g|vob|wmv|asf|ogv|3gp)", re.IGNORECASE
)
_NAMED_SKIPS = 5


@dataclasses.dataclass(frozen=True)
class Input:
    """One file to score, or the reason why a named one cannot be scored.

    Attributes:
        path: as the user gave it, or within a folder that the user gave.
        name: the path within that folder, or the file's own name.
        kind: `"image"` or `"video"`, by content; `None` where `error` is set.
        error: one line, or `None`.
    """

    path: str
    name: str
    kind: str | None = None
    error: str | None = None


def find(
    named: Iterable[str | os.PathLike[str]], leave_out: str | os.PathLike[str] | None = None
) -> Iterator[Input]:
    """Find the files that are named, in order.

    Folders are read recursively: the files of a folder by name, then its folders by name; links
    to folders and hidden files and folders are left out. A file in a folder that is neither an
    image nor a video, by content or by name, is skipped; the logger `lrl_keras` counts these.

    Args:
        named: paths or URLs of files and folders.
        leave_out: folder that is skipped because results are written there.

    Yields:
        an `Input` for each file, and one with an error for each name that cannot be used: a missing
        file, one of another kind, an unknown URL, a folder without any image or video.
    """
    for path in (os.fspath(name) for name in named):
        try:
            files.require(path)
            is_folder = files.is_folder(path)
        except InputError as error:
            yield Input(path, "", error=str(error))
            continue
        except OSError as error:
            yield Input(path, "", error=f"{shown(path)}: cannot be reached ({error.strerror})")
            continue
        if is_folder:
            yield from _in_folder(path, leave_out)
        else:
            yield _file(path, files.name_of(path))


def _in_folder(folder, leave_out):
    failed, skipped, empty = [], [], True
    for name in _names(folder, leave_out, failed):
        path = files.join(folder, name)
        if not is_media(path):
            skipped.append(name)
            continue
        empty = False
        yield _file(path, name)
    for error in failed:
        reason = f"{shown(error.filename)}: folder cannot be read ({error.strerror})"
        yield Input(error.filename, "", error=reason)
    if skipped:
        more = "" if len(skipped) <= _NAMED_SKIPS else ", ..."
        names = ", ".join(map(shown, skipped[:_NAMED_SKIPS])) + more
        _log.info(
            "%s: skipped %d that are neither image nor video: %s",
            shown(folder), len(skipped), names,
        )  # fmt: skip
    if empty and not failed:
        yield Input(folder, "", error=f"{shown(folder)}: no image or video in this folder")


def _names(folder, leave_out, failed):
    """Yield paths of the files in a folder, relative to it; add read errors to `failed`."""
    if files.is_url(folder):
        try:
            yield from files.walk(folder)
        except OSError as error:
            failed.append(error)
        return
    for parent, folders, names in os.walk(folder, onerror=failed.append):
        folders[:] = sorted(name for name in folders if not _is_left_out(parent, name, leave_out))
        for name in sorted(names):
            if not name.startswith("."):
                yield os.path.relpath(os.path.join(parent, name), folder)


def _is_left_out(parent, name, leave_out):
    if name.startswith("."):
        return True
    return leave_out is not None and _same(os.path.join(parent, name), leave_out)


def _same(path, other):
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def is_media(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is an image or a video by its content or by its name."""
    called = is_image_name(path) or bool(_VIDEO_NAME.fullmatch(os.path.splitext(path)[1]))
    return called or images.is_image(path) or containers.is_video(path)


def is_image_name(path: str | os.PathLike[str]) -> bool:
    """Return whether a file has the ending of an image."""
    return bool(_IMAGE_NAME.fullmatch(os.path.splitext(path)[1]))


def _file(path, name):
    if images.is_image(path):
        return Input(path, name, "image")
    if containers.is_video(path):
        return Input(path, name, "video")
    return Input(path, name, error=why_not(path))


def why_not(path: str | os.PathLike[str]) -> str:
    """Explain, in one line, why a file that is neither image nor video cannot be used."""
    try:
        images.check_file(path)
    except InputError as error:
        return str(error)
    return (
        f"{shown(path)}: neither an image ({', '.join(images.FORMATS)}) nor a video "
        "(MP4, Matroska, AVI, ...) by its content"
    )
