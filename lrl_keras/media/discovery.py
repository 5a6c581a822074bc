"""The images and videos behind what a user names: files, folders, any mix."""

import dataclasses
import os
import re
import sys

from lrl_keras.errors import InputError
from lrl_keras.media import images, video
from lrl_keras.media.images import shown
from lrl_keras.system import files

# A file with such a name is meant as a picture or a film, whatever it holds.
_IMAGE_NAME = re.compile(
    r"\.(a?png|jpe?g|jpe|jfif|webp|bmp|tiff?|gif|hei[cf]|avif|jp2|jxl)", re.IGNORECASE
)
_VIDEO_NAME = re.compile(
    r"\.(mp4|m4v|mov|mkv|webm|avi|flv|m2?ts|mpe?g|vob|wmv|asf|ogv|3gp)", re.IGNORECASE
)
_NAMED_SKIPS = 5


@dataclasses.dataclass(frozen=True)
class Input:
    """One file to score, or why something that was named cannot be.

    Attributes:
        path: as the user gave it, or below a folder that the user gave.
        name: the path within that folder, or the file's own name.
        kind: `"image"` or `"video"`, by content; `None` where `error` is set.
        error: one line, or `None`.
    """

    path: str
    name: str
    kind: str | None = None
    error: str | None = None


def find(named, leave_out=None):
    """The files behind the names, in order.

    Folders are read recursively: the files of a folder by name, then its folders by name; links
    to folders and hidden files and folders are left out. A file in a folder that is neither an
    image nor a video, nor is called like one, is skipped, with a line on standard error that
    counts them.

    Args:
        named: paths or URLs of files and folders.
        leave_out: folder not to look into, because results are written there.

    Yields:
        an `Input` for each file, and one with an error for each thing that cannot be used: a
        missing or foreign file, a damaged name, a folder without any image or video.
    """
    for path in map(os.fspath, named):
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
        print(
            f"lrl-keras: {shown(folder)}: skipped {len(skipped)} that are neither image nor "
            f"video: {names}",
            file=sys.stderr,
        )
    if empty and not failed:
        yield Input(folder, "", error=f"{shown(folder)}: no image or video in this folder")


def _names(folder, leave_out, failed):
    """Paths of the files in a folder, relative to it; what cannot be read goes to `failed`."""
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


def is_media(path):
    """Whether a file is an image or a video by its content, or is called like one."""
    called = is_image_name(path) or bool(_VIDEO_NAME.fullmatch(os.path.splitext(path)[1]))
    return called or images.is_image(path) or video.is_video(path)


def is_image_name(path):
    """Whether a file is called like an image."""
    return bool(_IMAGE_NAME.fullmatch(os.path.splitext(path)[1]))


def _file(path, name):
    if images.is_image(path):
        return Input(path, name, "image")
    if video.is_video(path):
        return Input(path, name, "video")
    return Input(path, name, error=why_not(path))


def why_not(path):
    """Why a file that is neither an image nor a video by its content cannot be used, one line."""
    try:
        images.check_file(path)
    except InputError as error:
        return str(error)
    return (
        f"{shown(path)}: neither an image ({', '.join(images.FORMATS)}) nor a video "
        "(MP4, Matroska, AVI, ...) by its content"
    )
