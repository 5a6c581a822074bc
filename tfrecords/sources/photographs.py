"""Forgeries out of the photographs that ship inside scikit-image, for a demo without downloads.

Square cuts of a photograph are the real examples. A forgery is such a cut in which a soft-edged
ellipse was replaced by an altered copy of itself: other colour, sharpness, resampling or noise
than its surroundings, as a face that comes from elsewhere has. These are no faces; the task is
the same.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import skimage
from skimage import filters, transform

from lrl_keras.errors import InputError
from lrl_keras.media import images
from tfrecords.clips import Clip, Lister
from tfrecords.examples.group_parts import Job, example, new_report

if TYPE_CHECKING:
    from tfrecords.clips import Listing

NAME = "photographs"
ROOT = Path(skimage.__file__).parent / "data"
SUMMARY = "Cuts of the photographs that ship inside scikit-image, for the demo."
OPTIONS = {}
METHOD = "ellipse"

PHOTOGRAPHS = {
    "train": (
        "brick.png",
        "camera.png",
        "cell.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "motorcycle_left.png",
        "retina.jpg",
        "rocket.jpg",
    ),
    "val": ("coins.png", "grass.png", "moon.png"),
    "test": ("astronaut.png", "chelsea.png", "coffee.png"),
}


def find(root: str | os.PathLike[str]) -> Listing:
    """List the photographs below `root`, one real and one forged clip each.

    Args:
        root: folder with the photographs, usually `ROOT`.

    Raises:
        InputError: if a split has no photograph in `root`.
    """
    found = Lister()
    for split, names in PHOTOGRAPHS.items():
        there = [name for name in names if (Path(root) / name).is_file()]
        if not there:
            raise InputError(
                f"{root}: has none of {', '.join(names)}; install scikit-image from its wheel"
            )
        for label, method in enumerate(("real", METHOD)):
            for name in there:
                found.add(Clip(split, label, NAME, method, "none", Path(name).stem, name, name))
    return found.listing(f"{root}: has no photograph")


class Group:
    """The real and the forged clip of one photograph.

    Args:
        clips: the clips of one photograph.
        root: folder of the photographs.
        settings: `tfrecords.examples.group_parts.GroupSettings`; `frames_per_video` cuts of
            `image_size` are made.
    """

    def __init__(self, clips, root, settings):
        self.root = Path(root)
        self.settings = settings
        self.jobs = [Job(clip) for clip in clips]

    def examples(self, job):
        """Make the examples of one of `jobs`, and the report that goes into the manifest."""
        clip, count = job.clip, self.settings.frames_per_video
        photograph = images.read_image(self.root / clip.path)
        examples = []
        for index in range(count):
            rng = np.random.default_rng([zlib.crc32(clip.path.encode()), index, clip.label])
            image, box = random_cut(photograph, self.settings.image_size, rng)
            mask = None
            if clip.label:
                image, mask = self_blend(image, rng)
            image = np.round(255 * image).astype(np.uint8)
            examples.append(example(clip, index, box, image, mask, has_mask=True))
        report = new_report(clip, frames=count, kept=list(range(count)))
        return examples, report


def random_cut(photograph, size, rng):
    """Cut out a square of random place and scale, mirrored or not, resized to `size`.

    Args:
        photograph: uint8 (H, W, 3).
        size: side of the result in pixels.
        rng: `numpy.random.Generator`.

    Returns:
        float (size, size, 3) in [0, 1], and the box (x0, y0, x1, y1) in the photograph.
    """
    height, width = photograph.shape[:2]
    shorter = min(height, width)
    side = int(rng.integers(min(size, shorter), min(3 * size, shorter) + 1))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    cut = images.resize(photograph[y : y + side, x : x + side], size).numpy() / 255
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    return cut, (x, y, x + side, y + side)


def self_blend(image, rng):
    """Replace an ellipse of the image by an altered copy of itself.

    Args:
        image: float (S, S, 3) in [0, 1].
        rng: `numpy.random.Generator`.

    Returns:
        the forged image, float (S, S, 3) in [0, 1], and its mask, uint8 (S, S) of 0 and 1.
    """
    weight = _soft_ellipse(len(image), rng)
    altered = np.clip(_altered(image, rng), 0, 1)
    blended = image + weight[..., None] * (altered - image)
    return blended, (weight > 0.5).astype(np.uint8)


def _altered(image, rng):
    changes = (_recolour, _sharpen_or_blur, _resample, _add_noise)
    chosen = rng.permutation(len(changes))[: rng.integers(2, len(changes) + 1)]
    for index in sorted(chosen):
        image = changes[index](image, rng)
    return image


def _recolour(image, rng):
    return image * rng.uniform(0.85, 1.15, 3) + rng.uniform(-0.05, 0.05, 3)


def _sharpen_or_blur(image, rng):
    if rng.random() < 0.5:
        return filters.gaussian(image, rng.uniform(0.8, 1.6), channel_axis=-1)
    # Not `filters.unsharp_mask`: in scikit-image 0.26 it leaves memory uninitialised with
    # `channel_axis=-1`.
    return image + rng.uniform(1, 2) * (image - filters.gaussian(image, 1.5, channel_axis=-1))


def _resample(image, rng):
    side = len(image)
    small = transform.resize(image, [int(side / rng.uniform(1.5, 2.5))] * 2, anti_aliasing=True)
    return transform.resize(small, (side, side), order=int(rng.integers(2)))


def _add_noise(image, rng):
    return image + rng.normal(0, rng.uniform(0.02, 0.05), image.shape)


def _soft_ellipse(side, rng):
    """Make (side, side): 1 inside a random ellipse near the middle, falling to 0 at its border."""
    centre = rng.uniform(0.35, 0.65, 2) * side
    radii = rng.uniform(0.2, 0.38, 2) * side
    angle, softness = rng.uniform(0, np.pi), rng.uniform(0.08, 0.25)
    y, x = np.mgrid[:side, :side] - centre[:, None, None]
    along = (x * np.cos(angle) + y * np.sin(angle)) / radii[0]
    across = (y * np.cos(angle) - x * np.sin(angle)) / radii[1]
    return np.clip((1 - np.hypot(along, across)) / softness + 0.5, 0, 1)
