"""Degradations of an image between camera and detector, each at five levels.

Seven are those of DeeperForensics-1.0, one is JPEG. Where the published code differs from its name,
the name or the code is changed here:

- `contrast` there multiplies and so darkens pixels; here they move towards the mean brightness.
- `blocks` there are 8 x 8 pixels, their number times min(H, W) // 256: none below 256 pixels. Here
  the number is fixed and the side is 1/32 of the image's, the same 8 pixels at 256.
- `noise` there is added in a studio-range YCbCr, here to R, G and B, with the variance it states.
- `rescaling` is called JPEG compression there, and pixelation in papers that use it.
- `video_compression` there encodes a video, here each face as a video of one frame.
- Random numbers there have no seed; here they follow from a seed and the face's name.

`blur` and `rescaling` are given in pixels, so they are stronger on a small image.

Reference: Jiang et al., "DeeperForensics-1.0: A Large-Scale Dataset for Real-World Face Forgery
Detection", CVPR 2020, Sec. 4.
"""

import dataclasses
import io
import platform
import zlib
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from PIL import Image, ImageEnhance
from skimage.filters import gaussian
from skimage.util import random_noise

from lrl_keras.errors import InputError

LEVELS = (1, 2, 3, 4, 5)
_GREY = 128
# Levels by which the pixels or channels of an image without contrast or colour may differ.
_ROUNDING = 8
# With AVX-512, x264 sometimes encodes the same few small frames differently. Its SSE4.2 code gives
# the bytes of its plain C code, as fast, and TensorFlow needs a processor with SSE4.2 anyway.
_X86 = platform.machine() in ("x86_64", "AMD64")
_SAME_BYTES = {"x264-params": "asm=SSE4.2"} if _X86 else {}


def saturation(image, factor):
    """Move each pixel towards its own grey (BT.601); factor 0 leaves no colour."""
    return np.array(ImageEnhance.Color(Image.fromarray(image)).enhance(factor))


def contrast(image, factor):
    """Move each pixel towards the mean grey of the image; factor 1 would change nothing."""
    return np.array(ImageEnhance.Contrast(Image.fromarray(image)).enhance(factor))


def blocks(image, count, generator):
    """Cover an image with `count` grey squares, side 1/32 of its shorter one, without overlap.

    They are cells of a grid that is shifted at random. An image too small for that many gets as
    many as fit.
    """
    height, width = image.shape[:2]
    side = max(1, round(min(height, width) / 32))
    rows, columns = height // side, width // side
    top = generator.integers(height - rows * side, endpoint=True)
    left = generator.integers(width - columns * side, endpoint=True)
    out = image.copy()
    cells = generator.choice(rows * columns, min(count, rows * columns), replace=False)
    for cell in cells:
        y, x = top + cell // columns * side, left + cell % columns * side
        out[y : y + side, x : x + side] = _GREY
    return out


def noise(image, variance, generator):
    """Add Gaussian noise to each channel; `variance` is of the range 0..1."""
    noisy = random_noise(image, "gaussian", rng=generator, var=variance)
    return np.rint(255 * noisy).astype(np.uint8)


def blur(image, kernel):
    """Blur with a Gaussian of `kernel` x `kernel` pixels, an odd number, and sigma = kernel / 6."""
    sigma = kernel / 6
    smooth = gaussian(
        image.astype(np.float32), sigma, mode="mirror", truncate=(kernel // 2) / sigma,
        channel_axis=-1, preserve_range=True,
    )  # fmt: skip
    return np.rint(smooth).astype(np.uint8)


def rescaling(image, factor):
    """Shrink the image `factor` times and enlarge it to its size again, both bilinear."""
    image = Image.fromarray(image)
    small = tuple(max(1, side // factor) for side in image.size)
    bilinear = Image.Resampling.BILINEAR
    return np.array(image.resize(small, bilinear).resize(image.size, bilinear))


def video_compression(image, crf):
    """Encode the image as the only frame of an H.264 video (libx264, 4:2:0) and decode it."""
    return h264([image], crf)[0]


def h264(frames, crf):
    """Encode images of one size as an H.264 video (libx264, 4:2:0) and decode it.

    Args:
        frames: list of uint8 arrays (H, W, 3), RGB.
        crf: constant rate factor, 0 to 51; libx264's default is 23.

    Returns:
        list of uint8 arrays (H, W, 3).
    """
    height, width = frames[0].shape[:2]
    encoder = av.CodecContext.create("libx264", "w")
    # 4:2:0 needs even sides.
    encoder.height, encoder.width = height + height % 2, width + width % 2
    encoder.pix_fmt, encoder.framerate = "yuv420p", Fraction(25)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), **_SAME_BYTES}
    packets = []
    for image in frames:
        even = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        packets += encoder.encode(av.VideoFrame.from_ndarray(even, format="rgb24"))
    packets += encoder.encode(None)
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    decoded = [frame for packet in [*packets, None] for frame in decoder.decode(packet)]
    return [frame.to_ndarray(format="rgb24")[:height, :width] for frame in decoded]


def jpeg(image, quality):
    """Encode the image as JPEG (Pillow, 4:2:0) and decode it."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


@dataclasses.dataclass(frozen=True)
class Degradation:
    """Function of an image and a strength, with the strengths of levels 1 to 5.

    Attributes:
        function: takes a uint8 array (H, W, 3), a strength and, if `draws`, a NumPy generator;
            returns a new array of the same form.
        strengths: from weak to strong.
        label: the strength in words, with `{}` for the number.
        draws: whether it draws random numbers.
    """

    function: Callable
    strengths: tuple
    label: str
    draws: bool = False


DEGRADATIONS = {
    "saturation": Degradation(saturation, (0.4, 0.3, 0.2, 0.1, 0.0), "x {}"),
    "contrast": Degradation(contrast, (0.85, 0.725, 0.6, 0.475, 0.35), "x {}"),
    "blocks": Degradation(blocks, (16, 32, 48, 64, 80), "{} blocks", draws=True),
    "noise": Degradation(noise, (0.001, 0.002, 0.005, 0.01, 0.05), "var. {}", draws=True),
    "blur": Degradation(blur, (7, 9, 13, 17, 21), "{} px"),
    "rescaling": Degradation(rescaling, (2, 3, 4, 5, 6), "1/{}"),
    "video_compression": Degradation(video_compression, (30, 32, 35, 38, 40), "crf {}"),
    "jpeg": Degradation(jpeg, (95, 75, 50, 30, 10), "quality {}"),
}


def degrade(image, name, level, *, seed=0, face=()):
    """Degrade an image.

    Args:
        image: uint8 array (H, W, 3), RGB.
        name: one of `DEGRADATIONS`.
        level: 1 (weak) to 5 (strong).
        seed: int from 0; all random numbers follow from it, name, level and face.
        face: strings and ints from 0 that identify the image. Defaults to none.

    Returns:
        uint8 array (H, W, 3), a new one.

    Raises:
        InputError: for an unknown name or level, or a negative seed.
    """
    check([name], [level], seed)
    found = DEGRADATIONS[name]
    strength = found.strengths[level - 1]
    if not found.draws:
        return found.function(image, strength)
    key = [zlib.crc32(part.encode()) if isinstance(part, str) else part for part in (name, *face)]
    return found.function(image, strength, np.random.default_rng([seed, level, *key]))


def check(names, levels, seed):
    """Raise `InputError` for an unknown degradation or level, none, a bad seed, or no libx264."""
    if not names or not levels:
        raise InputError("give at least one degradation and one level")
    for name in names:
        if name not in DEGRADATIONS:
            choices = ", ".join(DEGRADATIONS)
            raise InputError(f"degradations must be of {choices}. Received: {name!r}")
    for level in levels:
        if level not in LEVELS:
            raise InputError(f"levels must be of 1, 2, 3, 4, 5. Received: {level!r}")
    if "video_compression" in names and "libx264" not in av.codecs_available:
        raise InputError(
            "video_compression needs libx264, which this PyAV comes without; install PyAV from "
            "PyPI, or name the other degradations"
        )
    if seed < 0:
        raise InputError(f"seed must be at least 0. Received: {seed}")


def may_stay(image, name):
    """Return whether a degradation may leave an image unchanged.

    `saturation` may leave a grey image unchanged, the others an image of a single colour, both but
    for rounding.

    Args:
        image: uint8 array (H, W, 3).
        name: one of `DEGRADATIONS`.
    """
    return bool(np.ptp(image, axis=-1 if name == "saturation" else (0, 1)).max() <= _ROUNDING)
