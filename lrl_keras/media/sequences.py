"""Folder of images as one clip, with its frames in the order of their names."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.media.discovery import is_image_name
from lrl_keras.system import files

if TYPE_CHECKING:
    import numpy as np

NO_IMAGE = f"holds no image; expected {', '.join(images.FORMATS)}"

# Python raises an error for a number of thousands of digits.
_NUMBER = re.compile(r"([0-9]{1,18})")


def is_frame_name(path: str | os.PathLike[str]) -> bool:
    """Return whether a file has the ending of an image and is not hidden, as macOS's `._1.png`."""
    return is_image_name(path) and not files.name_of(path).startswith(".")


def natural_key(name: str) -> tuple[list[tuple[int, str]], str]:
    """Return a sort key that puts `frame2.png` before `frame10.png`."""
    parts = _NUMBER.split(name)
    return [(int(part), "") if place % 2 else (0, part) for place, part in enumerate(parts)], name


class Sequence:
    """Images in a folder and in its subfolders, in the order of their names.

    Args:
        path: the folder, a path or URL.

    Attributes:
        path: as given.
        names: paths of the images, relative to the folder.
        count, stated: see `lrl_keras.media.clip.open_clip`.

    Raises:
        InputError: naming the folder, where it holds no image or cannot be read.
    """

    stated = 0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        try:
            self.names = sorted(filter(is_frame_name, files.walk(path)), key=natural_key)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        if not self.names:
            raise InputError(f"{path}: {NO_IMAGE}")
        self.count = len(self.names)

    def frames(self, indices: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the wanted images; see `lrl_keras.media.clip.open_clip`."""
        wanted = set(indices)
        for index, name in enumerate(self.names):
            if index in wanted:
                with contextlib.suppress(InputError):
                    yield index, images.read_image(files.join(self.path, name))
