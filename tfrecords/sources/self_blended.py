"""Forgeries made on the fly from a folder of real faces: images, videos, any nesting.

Methods: `self-blended` blends a face with an altered copy of itself, `swap` with the face of
another identity of the same split. The first folder below the root is the identity; a file that
lies in none is an identity of its own.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrl_keras.data.blending import METHODS, SELF_BLENDED, SWAP
from lrl_keras.data.manifest import SPLITS
from lrl_keras.errors import InputError
from lrl_keras.media import discovery
from lrl_keras.media.images import shown
from lrl_keras.system import files
from lrl_keras.system.options import Option
from tfrecords.clips import Lister
from tfrecords.examples.blended import REAL, FaceClip, generator
from tfrecords.examples.blended import BlendedGroup as Group
from tfrecords.sources import splits as division
from tfrecords.sources.own_files import few

if TYPE_CHECKING:
    from tfrecords.clips import Listing

__all__ = ["NAME", "OPTIONS", "SUMMARY", "Group", "find"]

NAME = "self-blended"
SUMMARY = "A folder of real faces, images or videos: forgeries are made of them by blending."
OPTIONS = {
    "methods": Option((SELF_BLENDED,), "how forgeries are made, named after ROOT and OUT", METHODS),
    "forgeries": Option(1, "forgeries of each crop by each method", least=1, most=1000),
    "crops": Option(
        1, "crops of each face: one as the detector cuts it, and random ones", least=1, most=1000
    ),
    "fresh": Option(
        False, "keep the faces of train unforged: training forges them anew in every epoch"
    ),
    "splits": division.SIZES,
    "seed": Option(
        0, "of the division into splits and of all that is drawn", least=0, most=2**31 - 1
    ),
}

_DONORS = 3


def find(
    root: str | os.PathLike[str],
    *,
    methods: Sequence[str] = (SELF_BLENDED,),
    forgeries: int = 1,
    crops: int = 1,
    fresh: bool = False,
    splits: Sequence[float] = division.SIZES.default,
    seed: int = 0,
) -> Listing:
    """List the images and videos below a folder, each as it is and forged.

    Args:
        root: the folder. Files are told by their content and others left out; one that is
            called like an image or a video and is none is listed and found unusable. Hidden
            files and folders are left out, links to folders followed, each folder once.
        methods: `"self-blended"`, `"swap"` or both.
        forgeries: forged clips of each crop by each method, with different draws.
        crops: clips of each image or video, the first as the detector cuts its faces; the others
            lie, measure, lean and look otherwise.
        fresh: whether the split train holds but the faces, with room around them, of which
            `lrl_keras.data.load` makes other forgeries in each epoch.
        splits: sizes of train, val and test, in identities; see `tfrecords.sources.splits.assign`.
        seed: int.

    Returns:
        a `Listing`. What is swapped in is of the same split and of another identity.

    Raises:
        InputError: no such folder, no image or video in it, splits that cannot be made, or a
            swap in a split of one identity.
    """
    people, skipped = _people(root)
    try:
        where = division.assign(people, splits, seed)
    except InputError as error:
        raise InputError(f"{root}: {error}; each file or folder in it is an identity") from None
    found = Lister()
    if skipped:
        found.note(f"{len(skipped)} files are neither image nor video: {few(skipped)}")
    if len(where) < len(people):
        found.note(
            f"{len(people) - len(where)} of {len(people)} identities are in no split, their "
            "counts are reached"
        )
    for split in SPLITS:
        names = sorted(name for name in people if where.get(name) == split)
        if SWAP in methods and len(names) == 1:
            raise InputError(
                f"{root}: the split {split!r} has a single identity, {shown(names[0])}, "
                "and swap needs two; give other splits, or a root whose files or folders are one "
                "identity each"
            )
        for place, name in enumerate(names):
            for path in people[name]:
                common = _common(path, name, split, seed)
                if fresh and split == "train":
                    found.add(FaceClip(label=0, method=REAL, fresh=True, **common))
                    continue
                for clip in _clips(common, methods, forgeries, crops):
                    if clip.method == SWAP:
                        donors = _donors(clip, people, names, place)
                        clip = dataclasses.replace(clip, donors=donors)
                    found.add(clip)
    return found.listing(f"{root}: no identity is in any split; give larger splits")


def _people(root):
    """Find the paths of images and videos by identity, and those of all other files."""
    if not files.is_folder(root):
        raise InputError(f"{root}: no such folder; give a folder of real images or videos")
    try:
        paths = files.walk(root)
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
    people, skipped = {}, []
    for path in paths:
        if discovery.is_media(files.join(root, path)):
            people.setdefault(path.partition("/")[0], []).append(path)
        else:
            skipped.append(path)
    if not people:
        raise InputError(f"{root}: no image or video in this folder; give one of real faces")
    return people, skipped


def _common(path, identity, split, seed):
    """Collect the fields that all clips of a file share."""
    return {
        "split": split,
        "dataset": NAME,
        "compression": "unknown",
        "path": path,
        "group": identity,
        "seed": seed,
        "frames": 1 if discovery.is_image_name(path) else None,
        # Names on disk may hold bytes that are no text, and records only text.
        "video": path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
    }


def _clips(common, methods, forgeries, crops):
    """Yield the real clips of a file and the forged ones."""
    for view in range(crops):
        video = common["video"] + (f"@{view + 1}" if view else "")
        real = FaceClip(label=0, method=REAL, view=view, **{**common, "video": video})
        yield real
        for method in methods:
            for copy in range(1, forgeries + 1):
                yield dataclasses.replace(
                    real,
                    label=1,
                    method=method,
                    video=f"{video}#{copy}",
                    real=real.path,
                    copy=copy,
                )


def _donors(clip, people, names, place):
    """Draw the paths of files of some other identities among `names`, a random one of each."""
    rng = generator(clip, "donors", clip.copy, clip.view)
    others = rng.choice(len(names) - 1, min(_DONORS, len(names) - 1), replace=False)
    donors = [people[names[other + (other >= place)]] for other in others]
    return tuple(paths[rng.integers(len(paths))] for paths in donors)
