"""Real encoded videos for tests."""

import fractions
import struct

import av
import numpy as np
from PIL import Image
from skimage import data

HEIGHT, WIDTH = 240, 320


def write_video(
    path, frames, codec="libx264", rate=25, options=None, flags="", pixels="yuv420p", times=None
):
    """Encode a list of uint8 arrays (H, W, 3); the container follows from the name.

    `times`, in milliseconds, give a video without a constant frame rate.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options={"movflags": flags} if flags else {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if times:
            stream.codec_context.time_base = fractions.Fraction(1, 1000)
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if times:
                picture.time_base, picture.pts = fractions.Fraction(1, 1000), times[index]
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def turn_clockwise(path, turns):
    """Write into the track header of an MP4 what a phone writes when it is held turned."""
    a, b, c, d = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)][turns]
    upright, turned = [
        struct.pack(">9i", *(entry << 16 for entry in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
        for a, b, c, d in ((1, 0, 0, 1), (a, b, c, d))
    ]
    content = path.read_bytes()
    start = content.index(upright, content.index(b"tkhd"))
    path.write_bytes(content[:start] + turned + content[start + len(turned) :])


def cut_off(path, part):
    """Keep only the first `part` of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    return path


def gray_frames(count, step=8):
    """Frames told apart by their brightness: frame i is about 20 + step * i."""
    frames = []
    for index in range(count):
        frame = np.full((96, 128, 3), 20 + step * index, np.uint8)
        frame[:24, :32] = [200, 20, 20]  # red in the upper left corner
        frames.append(frame)
    return frames


def index_of(frame, step=8):
    """The index that `gray_frames` painted into a frame."""
    return round((float(np.median(frame)) - 20) / step)


def face_frames(count):
    """A photograph of a woman's face, moving slowly over the picture."""
    photograph = data.astronaut()
    return [photograph[index : index + HEIGHT, 60 + index : 60 + index + WIDTH].copy()
            for index in range(count)]  # fmt: skip


def forged(frames):
    """The same frames with the mouth and chin brighter and shifted."""
    out = []
    for index, frame in enumerate(frames):
        frame = frame.copy()
        mouth = (slice(130 - index, 180 - index), slice(125 - index, 190 - index))
        frame[mouth] = np.clip(frame[mouth].astype(int) + 70, 0, 255)
        out.append(frame)
    return out


def two_faces(large, small):
    """The frames of `large`, and at their right those of `small`, mirrored and smaller."""
    frames = []
    for one, other in zip(large, small, strict=True):
        picture = Image.fromarray(other).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        picture = picture.resize((WIDTH * 3 // 5, HEIGHT * 3 // 5), Image.Resampling.BILINEAR)
        frame = np.full((HEIGHT, WIDTH + picture.width, 3), 120, np.uint8)
        frame[:, :WIDTH] = one
        top = (HEIGHT - picture.height) // 2
        frame[top : top + picture.height, WIDTH:] = np.asarray(picture)
        frames.append(frame)
    return frames


def faceless_frames(count):
    """A picture without any face."""
    texture = np.stack([data.brick()] * 3, axis=-1)
    return [texture[index : index + HEIGHT, :WIDTH].copy() for index in range(count)]
