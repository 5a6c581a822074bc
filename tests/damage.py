"""Files made to harm a reader."""

import os
import struct
import zlib

import numpy as np
import videos
from PIL import Image
from skimage import data


def png_of_zeros(width, height, depth=1, color=0):
    """A PNG whose rows are never held together in memory."""
    squeeze = zlib.compressobj(9)
    row = bytes(1 + (width * depth + 7) // 8)
    packed = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def good_files(folder):
    """One small picture or video with a face in each format that is read; paths by ending."""
    folder.mkdir()
    picture = Image.fromarray(data.astronaut()[20:220, 120:320])
    for ending in ("png", "jpg", "webp", "tif", "bmp"):
        picture.save(folder / f"good.{ending}")
    frames = [frame[::2, ::2] for frame in videos.face_frames(12)]
    for ending, codec in (("mp4", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4")):
        videos.write_video(folder / f"good.{ending}", frames, codec, options={"g": "4"})
    return {path.suffix[1:]: path for path in sorted(folder.iterdir())}


def damaged_files(folder, good):
    """Files, folders and links that harm a reader; returns their paths.

    Args:
        folder: to write to.
        good: paths by ending, as `good_files` gives them.
    """
    folder.mkdir()
    rng = np.random.default_rng(11)
    for ending, path in good.items():
        content = path.read_bytes()
        for part in (0.001, 0.02, 0.2, 0.5, 0.8, 0.95, 0.999):
            (folder / f"cut{part}.{ending}").write_bytes(content[: int(len(content) * part)])
        for number in range(14):
            (folder / f"flipped{number}.{ending}").write_bytes(_flipped(content, number, rng))
        (folder / f"head.{ending}").write_bytes(rng.bytes(64) + content[64:])
        (folder / f"tail.{ending}").write_bytes(content + rng.bytes(5000))
        (folder / f"zeros.{ending}").write_bytes(content[:200] + bytes(len(content) - 200))
        other = "mp4" if ending in ("png", "jpg", "webp", "tif", "bmp") else "png"
        (folder / f"wrong_{ending}.{other}").write_bytes(content)
        (folder / f"empty.{ending}").write_bytes(b"")
        (folder / f"text.{ending}").write_text("no picture\n" * 200)
    _bombs(folder)
    listed = f"ffconcat version 1.0\nfile '{good['mp4']}'\n"
    (folder / "list.mp4").write_text(listed)
    (folder / "list.mkv").write_text(f"#EXTM3U\n{good['mp4']}\n")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.mp4")
    os.symlink(folder / "circle.png", folder / "circle.png")
    with open(folder / "huge.png", "wb") as file:
        file.write(good["png"].read_bytes())
        file.truncate(5 << 30)  # a hole, no bytes on disk
    return [*sorted(folder.iterdir()), folder / "missing.jpg", "/dev/zero", "a\0b.png"]


def _flipped(content, number, rng):
    """Some bits changed: in the header for even numbers, anywhere for odd ones."""
    flipped = bytearray(content)
    end = len(content) if number % 2 else min(len(content), 600)
    for position in rng.integers(end, size=1 + 3 * (number // 2)):
        flipped[position] ^= 1 << rng.integers(8)
    return bytes(flipped)


def _bombs(folder):
    (folder / "bomb.png").write_bytes(png_of_zeros(19000, 19000))
    (folder / "wide.png").write_bytes(png_of_zeros(2**31 - 1, 1)[:90000])
    (folder / "line.png").write_bytes(png_of_zeros(60000, 1))
    (folder / "column.png").write_bytes(png_of_zeros(1, 60000))
    (folder / "dot.png").write_bytes(png_of_zeros(1, 1))
    Image.new("1", (20000, 20000)).save(folder / "bomb.tif", compression="group4")
    with open(folder / "bomb.jpg", "wb") as file:
        Image.new("L", (16, 16)).save(file, "JPEG")
    content = (folder / "bomb.jpg").read_bytes()
    start = content.index(b"\xff\xc0") + 5
    size = struct.pack(">HH", 65000, 65000)
    (folder / "bomb.jpg").write_bytes(content[:start] + size + content[start + 4 :])
