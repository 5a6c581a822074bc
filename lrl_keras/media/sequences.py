"""A folder of images as one clip, its frames in the order of their names."""

import contextlib
import re

from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.media.discovery import is_image_name
from lrl_keras.system import files

NO_IMAGE = f"holds no image; expected {', '.join(images.FORMATS)}"

# Python refuses to turn thousands of digits into a number.
_NUMBER = re.compile(r"([0-9]{1,18})")


def is_frame_name(path):
    """Whether a file is called like an image and is not hidden, as macOS's `._1.png` is."""
    return is_image_name(path) and not files.name_of(path).startswith(".")


def natural_key(name):
    """Sort key that puts `frame2.png` before `frame10.png`."""
    parts = _NUMBER.split(name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)], name


def members(path):
    """Paths of the images in a folder and in the folders below it, relative to it, in order.

    Raises:
        InputError: naming the folder, where it holds no image or cannot be read.
    """
    try:
        names = filter(is_frame_name, files.walk(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    names = sorted(names, key=natural_key)
    if not names:
        raise InputError(f"{path}: {NO_IMAGE}")
    return names


def read_frames(path, indices):
    """Decode the wanted images of a folder; see `lrl_keras.media.clip.read_frames`."""
    wanted = set(indices)
    for index, name in enumerate(members(path)):
        if index in wanted:
            with contextlib.suppress(InputError):
                yield index, images.read_image(files.join(path, name))
