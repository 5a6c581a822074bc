"""Frames of a video file, which may be damaged."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator

import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.media import containers

MAX_FRAMES = 1_000_000


def evenly_spaced(count: int, n: int) -> list[int]:
    """Return indices of `n` frames, spread evenly over a clip: the middles of `n` equal parts.

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
    """Video file; opening it goes through its packets, without decoding.

    Args:
        path: file in MP4/MOV, Matroska/WebM, AVI, FLV, MPEG-TS, MPEG-PS or ASF/WMV, recognised by
            its content, not its name.

    Attributes:
        path: as given.
        count: number of frames.
        stated: number of frames that the file's header states, 0 where it states none. Where it
            exceeds `count`, the file is cut off.
        times: time stamps of the frames in the order of display, or `None` where the container
            has none or repeats them.

    Raises:
        InputError: naming the path, where the file is no such video or holds no frame.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        times, self._packets = [], []
        with containers.open_video(path) as (container, stream):
            self.stated = stream.frames
            for packet in containers.packets(container, stream):
                self._packets.append(_Packet(packet.pts, packet.is_keyframe))
                # A discarded packet lies outside of the edit list: it is decoded, but not shown.
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

    def frames(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the wanted frames.

        A frame is identified by its time stamp, so that damage earlier in the file does not shift
        the numbers of later frames. Decoding begins at the key frame before a wanted frame and
        skips frames that no other one refers to. A single thread is used: with several, FFmpeg
        fills in damaged parts differently from run to run.

        Args:
            indices: indices of frames, from 0, in the order of display.

        Yields:
            (index, uint8 array (H, W, 3) RGB) in ascending order, rotated as the file's metadata
            says. Frames that are missing, damaged or too large are left out.

        Raises:
            InputError: the file has changed.
        """
        wanted = set(indices)
        with containers.open_video(self.path) as (container, stream):
            options = {"max_pixels": str(containers.MAX_PIXELS)}
            if self.times is not None:
                # What is damaged is an error, instead of what FFmpeg makes of it. Without time
                # stamps frames are counted, and none may be missing.
                options["err_detect"] = "explode"
            stream.codec_context.options = options
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
    """Properties of a packet that `_needed` reads."""

    pts: int | None
    is_key: bool


def _needed(packets, place):
    """Return the numbers of the packets that the frames of `place` are decoded from."""
    needed, keys = set(), []
    start = end = 0  # of the latest run of needed packets
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
    """Yield (index, frame) of the frames in `place`, from the packets in `needed`."""
    decoder = _Decoder(stream.codec_context)
    # All others may depend on the first packet: it holds in-band parameters, or x264's version,
    # without which FFmpeg misreads 4:4:4 videos such as those of FaceForensics++.
    needed = needed | {0}
    last, before = max(needed), 0
    for number, packet in enumerate(containers.packets(container, stream)):
        if number > last:
            break
        if number not in needed:
            continue
        if number > before + 1:
            yield from decoder.intact(None, place)
            stream.codec_context.flush_buffers()
        before = number
        stream.codec_context.skip_frame = "DEFAULT" if packet.pts in place else "NONREF"
        yield from decoder.intact(packet, place)
    stream.codec_context.skip_frame = "DEFAULT"
    yield from decoder.intact(None, place)


def _decode_all(container, stream):
    """Yield (index, frame) of every intact frame, counted in order: there are no time stamps."""
    shown, decoder = 0, _Decoder(stream.codec_context)
    for packet in itertools.chain(containers.packets(container, stream), [None]):
        for frame in decoder.decode(packet):
            if not decoder.is_broken:
                yield shown, frame
            shown += 1


class _Decoder:
    """Decoder that knows which frames refer to a damaged one: all until the next key frame.

    Args:
        context: PyAV's codec context of the stream.

    Attributes:
        is_broken: whether a packet since the last key frame was damaged.
    """

    def __init__(self, context):
        self._context = context
        self._key = None
        self.is_broken = self._was_broken = False
        self._lost = set()

    def decode(self, packet):
        """Return the frames that come out for a packet; `None` drains the decoder."""
        if packet is not None and packet.is_keyframe:
            self._key, self._was_broken, self.is_broken = packet.pts, self.is_broken, False
        try:
            frames, failed = self._context.decode(packet), False
        except containers.ERRORS:
            frames, failed = [], True
        if packet is not None:
            # Shown before the key frame, it refers to what lies before that, and nothing to it.
            is_leading = self._is_leading(packet.pts)
            corrupt = any(each.is_corrupt and not self._is_leading(each.pts) for each in frames)
            self.is_broken |= corrupt or (failed and not is_leading)
            if failed or self.is_broken or (is_leading and self._was_broken):
                self._lost.add(packet.pts)
        return frames

    def intact(self, packet, place):
        """Return (index, frame) of the intact ones of `decode`, for the time stamps in `place`."""
        return [
            (place[frame.pts], frame)
            for frame in self.decode(packet)
            if frame.pts in place and frame.pts not in self._lost
        ]

    def _is_leading(self, pts):
        return pts is not None and self._key is not None and pts < self._key


def _to_rgb(frame):
    """Convert a frame to an upright RGB array, or to `None` where it is damaged or too large."""
    if frame.is_corrupt or frame.width * frame.height > containers.MAX_PIXELS:
        return None
    try:
        image = frame.to_ndarray(format="rgb24")
    except containers.ERRORS:
        return None
    matrix = _display_matrix(frame)
    return image if matrix is None else _upright(image, matrix)


def _display_matrix(frame):
    """Read (a, b, c, d), or `None`: pixel (x, y) is shown at (a x + c y, b x + d y)."""
    try:
        part = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # this PyAV does not know the kind of side data
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
