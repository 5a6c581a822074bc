"""Containers of video files: recognised by content, opened safely, read packet by packet."""

import contextlib
import os
from typing import Any

import av

from lrl_keras.errors import InputError
from lrl_keras.system import files

MAX_PIXELS = 40_000_000
# Errors of PyAV on damaged files and on files that cannot be read to the end.
ERRORS = (av.error.FFmpegError, OSError, ValueError)

_IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"jxl ")
_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_STREAMS_AFTER_HEADER = ("flv", "mpeg", "mpegts")
_HEAD_BYTES = 600
# PyAV 19 and later decode titles and the like only on request.
_METADATA: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
)


def is_video(path):
    """Return whether the first bytes of `path` are those of a supported container."""
    try:
        return _container_format(_head(path)) is not None
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def open_video(path):
    """Open a video file: its container and its longest video stream.

    The file is read through a file object, in a fixed format, so that no list or reference in it
    can make FFmpeg open another file.

    Args:
        path: file or URL.

    Yields:
        PyAV's container and stream.

    Raises:
        InputError: naming the path, where it is no supported video or has too many pixels.
    """
    try:
        name = _container_format(_head(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened ({_reason(error)})") from None
    if name is None:
        raise InputError(
            f"{path}: no video that can be read; expected MP4/MOV, Matroska/WebM, AVI, FLV, "
            "MPEG-TS, MPEG-PS or ASF/WMV"
        )
    # PyAV 15 crashes on options where the streams are found only after the header.
    options = None if name in _STREAMS_AFTER_HEADER else {"max_pixels": str(MAX_PIXELS)}
    with files.open(path) as file:
        try:
            container = av.open(_Reader(file), mode="r", format=name, options=options, **_METADATA)
        except ERRORS as error:
            raise InputError(f"{path}: cannot be read as a video ({_reason(error)})") from None
        with container:
            if not container.streams.video:
                raise InputError(f"{path}: has no video stream; give a video file")
            # A cover image is a video stream too, of one frame.
            stream = max(container.streams.video, key=lambda stream: stream.frames)
            context = stream.codec_context
            if context is None:
                raise InputError(f"{path}: no decoder for its video; convert it to H.264")
            if context.width * context.height > MAX_PIXELS:
                raise InputError(
                    f"{path}: {context.width} x {context.height} pixels are too many, the limit "
                    f"is {MAX_PIXELS}; save it smaller"
                )
            yield container, stream


def packets(container, stream):
    """Yield a stream's packets up to its end or to the first place that cannot be read.

    Empty packets, which stand for a dropped frame or for the end, are left out.
    """
    found = container.demux(stream)
    while True:
        try:
            packet = next(found, None)
        except ERRORS:
            return
        if packet is None:
            return
        if packet.size:
            yield packet


class _Reader:
    """File object for PyAV: without a name, and with an error value where seeking fails.

    Damaged files make FFmpeg seek to before their start; an exception would print a traceback.
    """

    def __init__(self, file):
        self.read = file.read
        self.tell = file.tell
        self._file = file

    def seek(self, offset, whence=os.SEEK_SET):
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return -1


def _head(path):
    # Reading a pipe or a device would block or never end.
    if not files.is_regular(path):
        raise ValueError("no regular file")
    with files.open(path) as file:
        return file.read(_HEAD_BYTES)


def _container_format(head):
    """Return FFmpeg's name for the container that starts with these bytes, or `None`."""
    if head[4:8] in _ISO_BOXES:
        image = head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS
        return None if image else "mov"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "avi"
    if head.startswith(b"FLV\x01"):
        return "flv"
    if head.startswith(b"\x00\x00\x01\xba"):
        return "mpeg"
    if head.startswith(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")):
        return "asf"
    # Transport streams have a sync byte every 188 bytes; on discs four more come before each.
    if any(len(head) > 2 * step + start and all(head[start + i * step] == 0x47 for i in range(3))
           for start, step in ((0, 188), (4, 192))):  # fmt: skip
        return "mpegts"
    return None


def _reason(error):
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__
