"""Clips of a dataset: a video, an image, or a folder or tar archive of images."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.media import archives, containers, discovery, images
from lrl_keras.media.archives import Archive
from lrl_keras.media.sequences import Sequence
from lrl_keras.media.video import Video
from lrl_keras.system import files

if TYPE_CHECKING:
    import numpy as np


def open_clip(path: str | os.PathLike[str]) -> Sequence | Archive | Still | Video:
    """Open a clip; its frames are read only when they are asked for.

    Args:
        path: a folder of images, a file with the ending of a tar archive, or an image or a video,
            recognised by its content.

    Returns:
        `Sequence`, `Archive`, `Still` or `Video`. All have `path`, `count` (frames that the file
        holds), `stated` (frames that it states, 0 where it states none) and `frames(indices)`,
        which yields (index, uint8 array (H, W, 3) RGB) in ascending order, without frames that are
        missing or damaged.

    Raises:
        InputError: naming the path, where it cannot be read or holds no frame.
    """
    if files.is_folder(path):
        return Sequence(path)
    if archives.is_archive(path):
        return Archive(path)
    if images.is_image(path):
        return Still(path)
    if not containers.is_video(path):
        raise InputError(discovery.why_not(path))
    return Video(path)


class Still:
    """Image as a clip of one frame; see `open_clip`."""

    count, stated = 1, 0

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def frames(self, indices: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Decode the image where frame 0 is wanted.

        Raises:
            InputError: naming the path, where the image is damaged.
        """
        if 0 in indices:
            yield 0, images.read_image(self.path)
