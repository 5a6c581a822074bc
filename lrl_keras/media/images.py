"""Decoding and resizing of images, the same for records, training, evaluation and prediction."""

import logging
import warnings

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, UnidentifiedImageError

from lrl_keras.errors import InputError, UnreachableError
from lrl_keras.system import files

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 64_000_000
MAX_BYTES = 1 << 30

# Some of Pillow's readers also log the errors that they raise, without the path.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SIGNATURES = (_PNG_SIGNATURE, b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def is_image(path):
    """Return whether the first bytes of `path` are those of a supported image format."""
    try:
        if not files.is_regular(path):
            return False
        with files.open(path) as file:
            head = file.read(12)
    except (OSError, ValueError):
        return False
    webp = head[:4] == b"RIFF" and head[8:] == b"WEBP"
    return webp or head.startswith(_SIGNATURES)


def read_image(path):
    """Decode an image file to upright 8-bit RGB.

    EXIF rotation is applied. Grayscale and palettes become RGB, CMYK is converted without a
    colour profile, 16-bit samples keep their upper 8 bits. Transparent pixels are laid over
    black: colours that no viewer shows must not change a score. Of an animation or a multi-page
    file the first image is read.

    Args:
        path: file or URL of one of `FORMATS`, recognised by its content, not its name; at most
            `MAX_PIXELS` pixels and `MAX_BYTES` bytes.

    Returns:
        uint8 array (H, W, 3).

    Raises:
        InputError: naming the path, where the file is no such image, damaged, cut off or too large.
    """
    return read_first(path)[0]


def read_first(path):
    """Decode an image file as `read_image` does, and count its images.

    Returns:
        (uint8 array (H, W, 3), number of images: more than one in an animation or a multi-page
        file; 1 where what lies behind the first one is damaged).

    Raises:
        InputError: as `read_image`.
    """
    check_file(path)
    try:
        content = files.open(path)
    except OSError as error:
        raise InputError(f"{shown(path)}: cannot be opened ({_reason(error)})") from None
    with content as file:
        return _decode_named(file, path)


def decode_image(file, name):
    """Decode an image to upright 8-bit RGB, as `read_image` does.

    Args:
        file: binary file object that can seek.
        name: name of the image in error messages.

    Returns:
        uint8 array (H, W, 3).

    Raises:
        InputError: beginning with `name`, where it is no image, damaged, cut off or too large.
    """
    return _decode_named(file, name)[0]


def _decode_named(file, name):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(file)
    except InputError as error:
        raise InputError(f"{shown(name)}: {error}") from None
    except Image.DecompressionBombError:
        raise InputError(
            f"{shown(name)}: more than {MAX_PIXELS} pixels; save the image smaller"
        ) from None
    except UnidentifiedImageError:
        raise InputError(
            f"{shown(name)}: no image that can be read; give one of {', '.join(FORMATS)}"
        ) from None
    except UnreachableError:
        raise
    except Exception as error:  # Pillow's readers raise nearly every type on damaged files.
        raise InputError(
            f"{shown(name)}: damaged or cut off ({_reason(error)}); save the image again"
        ) from None


def check_file(path):
    """Raise `InputError` unless `path` is a file that can be opened, not empty and not huge."""
    try:
        # A pipe or device would block or never end.
        regular = files.is_regular(path)
        if regular:
            files.open(path).close()
            size = files.size(path)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{shown(path)}: cannot be opened ({_reason(error)}); check the path"
        ) from None
    if not regular:
        raise InputError(
            f"{shown(path)}: no regular file but a folder, pipe or device; give a file"
        )
    if size == 0:
        raise InputError(f"{shown(path)}: empty file; copy it again")
    if size > MAX_BYTES:
        raise InputError(f"{shown(path)}: more than {MAX_BYTES} bytes; save the image smaller")


def shown(path):
    """Return the path in a form that fits into one line of text."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def resize(image, size):
    """Resize to a square, bilinear, averaging over the source pixels when it shrinks.

    It agrees with Pillow's `Image.resize(..., BILINEAR)` to 1 level of 255. An image of that size
    is returned unchanged; one that is not square is squeezed.

    Args:
        image: uint8 tensor or array (H, W, C).
        size: side of the result in pixels.

    Returns:
        uint8 tensor (size, size, C), rounded to nearest.
    """
    image = tf.convert_to_tensor(image)
    if image.shape[:2] == (size, size):
        return image
    resized = tf.image.resize(image, (size, size), antialias=True)
    return tf.cast(tf.clip_by_value(tf.round(resized), 0, 255), tf.uint8)


def resize_mask(mask, size):
    """Resize a mask so that a pixel is forged where at least half of its area is.

    Args:
        mask: uint8 tensor or array (H, W, 1) of 0 (real) and 255 (forged).
        size: side of the result in pixels.

    Returns:
        uint8 tensor (size, size, 1) of 0 and 1.
    """
    mask = tf.convert_to_tensor(mask)
    if mask.shape[:2] == (size, size):
        return mask // 128
    return tf.cast(tf.image.resize(mask, (size, size), "area") >= 127.5, tf.uint8)


def png_size(contents):
    """Read height and width from the header of PNG bytes, without decoding them.

    Args:
        contents: scalar string tensor.

    Returns:
        int32 tensor (2,); (0, 0) where the bytes are no PNG.
    """
    header = tf.strings.substr(contents, 0, 24)
    starts = tf.strings.substr(contents, 0, 8) == _PNG_SIGNATURE
    is_png = tf.logical_and(starts, tf.strings.length(header) == 24)
    header = tf.io.decode_raw(tf.where(is_png, header, tf.constant(bytes(24))), tf.uint8)
    sides = tf.reshape(tf.cast(header[16:24], tf.int32), (2, 4))  # width, height
    return tf.reduce_sum(sides * [1 << 24, 1 << 16, 1 << 8, 1], axis=1)[::-1]


def _decode(file):
    image = Image.open(file, formats=FORMATS)
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise Image.DecompressionBombError
    image.load()
    orientation = image.getexif().get(ExifTags.Base.Orientation)
    return _to_rgb(_upright(image, orientation)), _count(image)


def _count(image):
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # Pillow's readers raise whatever their parsing meets.
        return 1


def _upright(image, orientation):
    # ImageOps.exif_transpose also rewrites the EXIF block, and fails where that is malformed.
    step = _UPRIGHT.get(orientation)
    return image if step is None else image.transpose(step)


def _to_rgb(image):
    if image.mode in ("I", "F"):
        raise InputError("32-bit samples; save the image with 8 or 16 bits a channel")
    if image.mode.startswith("I;16"):
        gray = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=2)
    if image.has_transparency_data:
        over_black = image.convert("RGBA").convert("RGBa")
        return np.asarray(over_black)[..., :3].copy()
    return np.array(image.convert("RGB"))


def _reason(error):
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
