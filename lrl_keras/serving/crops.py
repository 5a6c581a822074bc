"""Encoded face crops, decoded and resized for the network."""

import io
import warnings

import numpy as np
from PIL import Image

from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.serving.problems import Problem

# The formats that `serve_bytes` of a SavedModel takes.
FORMATS = ("JPEG", "PNG")
# 4096 x 4096: a stranger's file may ask for less memory than one's own.
MAX_PIXELS = 1 << 24


def face(contents, crop_size, image_size, name):
    """Decode a face crop and resize it as `lrl-keras predict --crop none` does.

    Args:
        contents: bytes of a JPEG or PNG of at most `MAX_PIXELS` pixels.
        crop_size: side in pixels to which crops were resized in the training records.
        image_size: S, side of the network's input in pixels.
        name: of the crop, for errors.

    Returns:
        uint8 array (S, S, 3), RGB.

    Raises:
        Problem: 400, beginning with `name`, where the bytes are neither, are damaged or cut off,
            or their header states too many pixels.
    """
    width, height = _stated_size(contents, name)
    if width * height > MAX_PIXELS:
        raise Problem(
            400,
            f"{name}: {width} x {height} pixels, at most {MAX_PIXELS} are decoded; "
            "send the face alone",
        )
    try:
        image = images.decode_image(io.BytesIO(contents), name)
    except InputError as error:
        raise Problem(400, str(error)) from None
    return np.asarray(images.resize(images.resize(image, crop_size), image_size))


def _stated_size(contents, name):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(contents), formats=FORMATS) as image:
                return image.size
    except Image.DecompressionBombError:
        raise Problem(400, f"{name}: more than {MAX_PIXELS} pixels; send the face alone") from None
    except Exception:  # Pillow's readers raise nearly every type on damaged files.
        raise Problem(
            400, f"{name}: no {' or '.join(FORMATS)} that can be read; send the bytes of the file"
        ) from None
