"""Read the frames of a video file, whoever it comes from."""

import contextlib
import dataclasses
import itertools
import os

import av
import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.system import files

MAX_PIXELS = 40_000_000
MAX_FRAMES = 1_000_000

_IMAGE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"jxl ")
_ISO_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_STREAMS_AFTER_HEADER = ("flv", "mpeg", "mpegts")
_HEAD_BYTES = 600
# From PyAV 19 on, titles and the like are decoded only when they are asked for.
_METADATA = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
# What PyAV raises on damaged files and on files that cannot be read to the end.
_ERRORS = (av.error.FFmpegError, OSError, ValueError)


def is_video(path):
    """Whether the first bytes of `path` are those of a container that is read here."""
    try:
        return _container_format(_head(path)) is not None
    except (OSError, ValueError):
        return False


def evenly_spaced(count, n):
    """Indices of `n` frames spread evenly over a clip: the middles of `n` equal parts.

    Args:
        count: frames of the clip.
        n: frames wanted; all are taken where the clip has no more.

    Returns:
        ascending list of distinct indices in `range(count)`.
    """
    if n >= count:
        return list(range(count))
    return [(2 * part + 1) * count // (2 * n) for part in range(n)]


class Video:
    """A video file, whose packets were read once, without decoding.

    Args:
        path: file in MP4/MOV, Matroska/WebM, AVI, FLV, MPEG-TS, MPEG-PS or ASF/WMV, told by its
            content and not by its name.

    Attributes:
        path: as given.
        count: number of frames.
        stated: number of frames that the file's header states, 0 where it states none. More than
            `count`: the file is cut off.
        times: the frames' time stamps in the order of display, or `None` where the container
            has none or repeats them.

    Raises:
        InputError: naming the path, where it is no such file or holds no frame.
    """

    def __init__(self, path):
        self.path = path
        times, self._packets = [], []
        with _open(path) as (container, stream):
            self.stated = stream.frames
            for packet in _packets(container, stream):
                self._packets.append(_Packet(packet.pts, packet.is_keyframe))
                # A discarded packet lies outside the edit list: it is decoded but never shown.
                if not packet.is_discard:
                    times.append(packet.pts)
                if len(self._packets) > MAX_FRAMES:
                    raise InputError(
                        f"{path}: more than {MAX_FRAMES} frames are too many; cut it into parts"
                    )
        if not times:
            raise InputError(f"{path}: holds no video frame; the file is damaged or cut off")
        unique = None not in times and len(set(times)) == len(times)
        self.count, self.times = len(times), tuple(sorted(times)) if unique else None

    def frames(self, indices):
        """Decode the wanted frames.

        A frame is told by its time stamp, so that damage earlier in the file does not shift the
        numbers of later frames. Only what a wanted frame needs is decoded: from the key frame
        before it, and of that without the frames that no other one refers to. One thread decodes:
        with several, what FFmpeg fills in for damaged parts changes from run to run.

        Args:
            indices: indices of frames, from 0, in the order of display.

        Yields:
            (index, uint8 array (H, W, 3) RGB) in ascending order, rotated as the file's metadata
            says. Frames that are missing, damaged or too large are left out.

        Raises:
            InputError: the file is no longer what it was.
        """
        wanted = set(indices)
        with _open(self.path) as (container, stream):
            stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            stream.codec_context.thread_count = 1
            if self.times is None:
                frames = _decode_all(container, stream)
            else:
                place = {self.times[index]: index for index in wanted if index < self.count}
                needed = _needed(self._packets, place)
                frames = _decode_needed(container, stream, place, needed)
            for index, frame in frames:
                if index not in wanted:
                    continue
                wanted.discard(index)
                image = _to_rgb(frame)
                if image is not None:
                    yield index, image
                if not wanted:
                    return


@dataclasses.dataclass(frozen=True, slots=True)
class _Packet:
    """What `_needed` has to know of a packet."""

    pts: int | None
    is_key: bool


def _needed(packets, place):
    """Numbers of the packets that the frames of `place` are decoded from."""
    needed, keys = set(), []
    start = end = 0  # of the run of needed packets that was added to last
    for number, packet in enumerate(packets):
        if packet.is_key and packet.pts is not None:
            keys.append(number)
        if packet.pts in place:
            # A frame that is shown before a key frame but decoded after it refers to frames
            # before that key frame.
            usable = (key for key in reversed(keys) if packets[key].pts <= packet.pts)
            key = next(usable, 0)
            if not start <= key < end:
                start = end = key
            needed.update(range(end, number + 1))
            end = number + 1
    return needed


def _decode_needed(container, stream, place, needed):
    """(index, frame) of the frames in `place`, from the packets in `needed`."""
    context = stream.codec_context
    # The first packet may hold what all others are read with: in-band parameters, or the note of
    # x264's version, without which FFmpeg misreads 4:4:4 videos such as those of FaceForensics++.
    needed = needed | {0}
    last, before = max(needed), 0
    for number, packet in enumerate(_packets(container, stream)):
        if number > last:
            break
        if number not in needed:
            continue
        if number > before + 1:
            yield from _placed(_decoded(context, None), place)
            context.flush_buffers()
        before = number
        context.skip_frame = "DEFAULT" if packet.pts in place else "NONREF"
        yield from _placed(_decoded(context, packet), place)
    context.skip_frame = "DEFAULT"
    yield from _placed(_decoded(context, None), place)


def _decode_all(container, stream):
    """(index, frame) of every frame, numbered as they come: there are no time stamps."""
    shown = 0
    for packet in itertools.chain(_packets(container, stream), [None]):
        for frame in _decoded(stream.codec_context, packet):
            yield shown, frame
            shown += 1


def _decoded(context, packet):
    try:
        return context.decode(packet)
    except _ERRORS:
        return []


def _placed(frames, place):
    return [(place[frame.pts], frame) for frame in frames if frame.pts in place]


def _packets(container, stream):
    """The stream's packets up to the end or to the first place that cannot be read.

    Without empty ones: they stand for a frame that was left out, or for the end.
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except _ERRORS:
            return
        if packet is None:
            return
        if packet.size:
            yield packet


@contextlib.contextmanager
def _open(path):
    """The container and its first video stream.

    Read through a file object and with the format pinned, so that no list or reference inside
    the file can make FFmpeg open another one.
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
        except _ERRORS as error:
            raise InputError(f"{path}: cannot be read as a video ({_reason(error)})") from None
        with container:
            if not container.streams.video:
                raise InputError(f"{path}: has no video stream; give a video file")
            # A cover picture is a video stream too, of one frame.
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


class _Reader:
    """A file as PyAV sees it: without its name, and seeking before its start only fails.

    A damaged file may ask for that; an exception there would be printed with its traceback.
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
    # A pipe or a device would block or never end.
    if not files.is_regular(path):
        raise ValueError("no regular file")
    with files.open(path) as file:
        return file.read(_HEAD_BYTES)


def _container_format(head):
    """FFmpeg's name for the container that starts with these bytes, or `None`."""
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


def _to_rgb(frame):
    """Upright RGB array of a decoded frame, or `None` where it is damaged or too large."""
    if frame.is_corrupt or frame.width * frame.height > MAX_PIXELS:
        return None
    try:
        image = frame.to_ndarray(format="rgb24")
    except _ERRORS:
        return None
    matrix = _display_matrix(frame)
    return image if matrix is None else _upright(image, matrix)


def _display_matrix(frame):
    """(a, b, c, d): pixel (x, y) is shown at (a x + c y, b x + d y); `None` where not stated."""
    try:
        part = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # a kind of side data that this PyAV does not know
        return None
    if part is None:
        return None
    matrix = np.frombuffer(bytes(part), np.int32)
    return [int(value) for value in matrix[[0, 1, 3, 4]]]


def _upright(image, matrix):
    """Turn and mirror by the multiple of 90 degrees that is nearest to `matrix`."""
    a, b, c, d = matrix
    if abs(c) > abs(a):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _reason(error):
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(text.split()) or type(error).__name__
