"""A folder of images as one clip, its frames in the order of their names."""

import re

from lrl_keras import files
from lrl_keras.data import images
from lrl_keras.errors import InputError

_IMAGE_NAME = re.compile(r"\.(png|jpe?g|webp|bmp|tiff?)", re.IGNORECASE)
_NUMBER = re.compile(r"(\d+)")


def is_image_name(name):
    """Whether a file name ends as that of an image does, and is not hidden."""
    start, dot, ending = name.rpartition(".")
    return bool(start and _IMAGE_NAME.fullmatch(dot + ending)) and not name.startswith(".")


def natural_key(name):
    """Sort key that puts `frame2.png` before `frame10.png`."""
    parts = _NUMBER.split(name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)], name


def members(path):
    """Names of the images in a folder, in order.

    Raises:
        InputError: naming the folder, where it holds no image.
    """
    names = sorted((name for name in files.names(path) if is_image_name(name)), key=natural_key)
    if not names:
        raise InputError(f"{path}: holds no image; expected PNG, JPEG, WebP, BMP or TIFF files")
    return names


def read_frames(path, indices):
    """Decode the wanted images of a folder; see `tfrecords.media.read_frames`."""
    wanted = set(indices)
    for index, name in enumerate(members(path)):
        if index not in wanted:
            continue
        try:
            yield index, images.read_image(files.join(path, name))
        except InputError:
            continue
