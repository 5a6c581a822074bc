"""WildDeepfake (Zi et al. 2020) in its official layout.

deepfake_in_the_wild/{real,fake}_{train,test}/7.tar.gz

An archive holds the faces of one video of the internet, as PNGs in a folder for each sequence
(`./7/fake/131/1057.png`), and is mostly a plain tar whatever its name says. Listing does not open
them: they have hundreds of megabytes each.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.media import archives
from lrl_keras.media.sequences import natural_key
from lrl_keras.system import files
from tfrecords.clips import Clip, Lister
from tfrecords.sources.folders import Folders
from tfrecords.sources.splits import SEED, VAL_FRACTION, hold_out

if TYPE_CHECKING:
    from tfrecords.clips import Listing

NAME = "wild-deepfake"
SUMMARY = "WildDeepfake: {real,fake}_{train,test} with archives of face images."
OPTIONS = {"val_fraction": VAL_FRACTION, "seed": SEED}
METHODS = ("real", "fake")

_INNER = "deepfake_in_the_wild"


def find(
    root: str | os.PathLike[str],
    *,
    val_fraction: float = VAL_FRACTION.default,
    seed: int = SEED.default,
) -> Listing:
    """List the archives.

    One archive is one clip, whose frames are those of all sequences in it, one sequence after
    the other. Folders of unpacked archives are taken as well. The images are face crops
    already, and no fake has a real video.

    Args:
        root: folder that holds `real_train` and the like, or `deepfake_in_the_wild` with them.
        val_fraction: part of the numbers of the training archives that is held out as val. The
            same number of `real_train` and `fake_train` is held out together: it may be the same
            video.
        seed: which ones.

    Returns:
        a `Listing`.

    Raises:
        InputError: no such layout, no archive, or two of one name.
    """
    folders = Folders(root)
    base = _base(root, folders)
    found = {
        (part, label): _archives(root, folders, f"{base}{METHODS[label]}_{part}")
        for part in ("train", "test")
        for label in (0, 1)
    }
    stems = {**found["train", 0], **found["train", 1]}
    labels = {stem: tuple(stem in found["train", label] for label in (0, 1)) for stem in stems}
    held_out = hold_out(stems, val_fraction, seed, labels)
    lister = Lister()
    for (part, label), paths in found.items():
        method = METHODS[label]
        if not paths:
            lister.note(f"{base}{method}_{part}: no archive in it, or not there")
        for stem, path in paths.items():
            split = "val" if part == "train" and stem in held_out else part
            video = f"{method}_{part}/{stem}"
            clip = Clip(split, label, NAME, method, "unknown", video, path, path, cropped=True)
            unpaired = "its real video is not known" if label else None
            lister.add(dataclasses.replace(clip, unpaired=unpaired))
    return lister.listing(
        f"{files.join(root, base)}: its folders real_train, fake_train, real_test and fake_test "
        "hold no archive; expected files such as real_train/7.tar.gz"
    )


def _base(root, folders):
    """Find the place of the four folders below the root: `""` or a path that ends with a slash."""
    if not files.is_folder(root):
        raise InputError(f"{root}: no such folder; give the root of WildDeepfake")
    for base in ("", f"{_INNER}/"):
        places = [f"{base}{kind}_{part}" for kind in METHODS for part in ("train", "test")]
        if any(folders.has(place) for place in places):
            return base
    raise InputError(
        f"{root}: not WildDeepfake; expected real_train, fake_train, real_test and fake_test with "
        f"files such as 7.tar.gz in it, or {_INNER} with these"
    )


def _archives(root, folders, folder):
    """Find the archives in a folder, and those that are there unpacked only: path by stem."""
    found = {}
    names = sorted(folders.names(folder), key=natural_key)
    for name in filter(archives.is_archive, names):
        stem = archives.stem(name)
        if stem in found:
            raise InputError(
                f"{files.join(root, folder, name)}: named as {found[stem]} is, which would be the "
                "same video; remove one of them"
            )
        found[stem] = f"{folder}/{name}"
    for name in names:
        path = f"{folder}/{name}"
        if name not in found and files.is_folder(files.join(root, path)):
            found[name] = path
    return found
