"""A user's own images and videos, sorted into folders or named in a list.

real/anna/1.mp4                   [SPLIT/]real/[IDENTITY/]...
fake/faceswap/anna/2.mp4          [SPLIT/]fake/[METHOD/[IDENTITY/]]...

Folders say nothing of which real clip a fake was made from: equal names mean nothing in most
collections. So only a list gives fakes their masks, by its column `source`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.media.discovery import is_image_name
from lrl_keras.media.images import shown
from lrl_keras.system import files
from lrl_keras.system.options import Option
from tfrecords.clips import Clip, Lister
from tfrecords.examples.image_group import ImageGroup as Group
from tfrecords.sources.own_files import few, in_folders
from tfrecords.sources.own_list import in_list
from tfrecords.sources.splits import SEED, SIZES, VAL_FRACTION, assign, hold_out, shuffled

if TYPE_CHECKING:
    from tfrecords.clips import Listing

__all__ = ["NAME", "OPTIONS", "SUMMARY", "Group", "find"]

NAME = "folder"
SUMMARY = "Your own images and videos: folders real and fake, or a list (CSV)."
OPTIONS = {
    "csv": Option(
        "",
        "list with columns path and label, and source, identity, method, split where known, "
        "instead of the folders",
        metavar="FILE",
    ),
    "crop": Option("face", "find the face and crop it, or take whole images", ("face", "none")),
    "sequences": Option(False, "take a folder of images as one clip, not each image"),
    "split_by": Option(
        "video", "what is never divided among splits; a fake stays with its source",
        ("video", "identity"),
    ),
    "splits": SIZES,
    "val_fraction": dataclasses.replace(
        VAL_FRACTION, help="part of train that becomes val where splits are given, but no val"
    ),
    "seed": SEED,
}  # fmt: skip

_CLIPS_PER_GROUP = 32


def find(
    root: str | os.PathLike[str],
    *,
    csv: str | os.PathLike[str] = "",
    crop: str = "face",
    sequences: bool = False,
    split_by: str = "video",
    splits: Sequence[float] = SIZES.default,
    val_fraction: float = VAL_FRACTION.default,
    seed: int = SEED.default,
) -> Listing:
    """List the clips in the folders or in the list.

    Args:
        root: folder that holds `real` and `fake`, or `train`, `val` and `test` with these; with
            `csv` the one that the list's paths are relative to.
        csv: path of a list, see `tfrecords.sources.own_list`.
        crop: `"face"`, or `"none"` for images that are face crops already.
        sequences: whether a folder of images is one clip; not for lists, where the path of a
            folder is one.
        split_by: `"video"`: each clip for itself, or with its source and that one's other fakes;
            `"identity"`: and with all of its identity.
        splits: sizes of train, val and test where the splits are not given, see
            `tfrecords.sources.splits.assign`; fractions are taken of real and of fake ones alike.
        val_fraction: part of train that is held out where splits are given, but none is val.
        seed: of the division.

    Returns:
        a `Listing`. What is on the list but not on disk is only counted.

    Raises:
        InputError: no such layout, a fault in the list, splits that cannot be made, or nothing
            on disk.
    """
    lister = Lister()
    if csv and sequences:
        raise InputError("sequences is for folders; in a list the path of a folder is one clip")
    if csv:
        items, ignored = in_list(root, csv)
        if ignored:
            lister.note(f"columns of the list that are not read: {few(ignored)}")
    else:
        items, skipped = in_folders(root, sequences)
        if skipped:
            lister.note(f"{len(skipped)} files are neither image nor video: {few(skipped)}")
    where = _splits(items, split_by, splits, val_fraction, seed)
    left = [item for item in items if item.path not in where]
    if left:
        lister.note(f"{len(left)} of {len(items)} clips are in no split, their counts are reached")
    for item, group in _grouped([item for item in items if item.path in where], where, seed):
        if item.there:
            lister.add(_clip(item, where[item.path], group, crop == "none"))
        else:
            lister.add_missing(where[item.path], item.label, item.method)
    divided = _divided_folders(items, where)
    if divided and split_by == "video" and items[0].split is None:
        lister.note(
            f"images of one folder are in several splits: {few(divided)}; where they are frames of "
            "one video use sequences, where they show one person split by identity"
        )
    missing = [item.path for item in items if not item.there]
    if missing:
        lister.note(f"{len(missing)} clips of the list are not there: {few(missing)}")
    return lister.listing(
        f"{csv}: none of its {len(items)} clips is there, the first is expected at "
        f"{files.join(root, items[0].path)}; give the root that the paths begin at"
    )


def _splits(items, split_by, sizes, val_fraction, seed):
    """Split by path; what gets none is left out."""
    families = _families(items, split_by)
    labels = {}
    for item in items:
        labels.setdefault(families[item.path], set()).add(item.label)
    kinds = {family: tuple(sorted(found)) for family, found in labels.items()}
    if items[0].split is None:
        where = assign(kinds, sizes, seed, kinds)
        return {path: where[family] for path, family in families.items() if family in where}
    where = {item.path: item.split for item in items}
    if "val" not in where.values():
        trained = {families[path]: None for path, split in where.items() if split == "train"}
        held_out = hold_out(trained, val_fraction, seed, kinds)
        for path, split in where.items():
            if split == "train" and families[path] in held_out:
                where[path] = "val"
    return where


def _divided_folders(items, where):
    """Find folders of an identity whose images are in several splits."""
    splits = {}
    for item in items:
        if item.identity is not None and is_image_name(item.path) and item.path in where:
            splits.setdefault(item.path.rpartition("/")[0], set()).add(where[item.path])
    return [folder for folder, found in splits.items() if len(found) > 1]


def _families(items, split_by):
    """Name, by path, what must stay together: an identity or a real clip with its fakes."""
    above = {}

    def top(name):
        while above.setdefault(name, name) != name:
            above[name] = name = above[above[name]]
        return name

    if split_by == "identity":
        _check_identities(items)
    for item in items:
        names = [(2, item.path) if item.label else (1, item.path)]
        if item.source:
            names.append((1, item.source))
        if split_by == "identity":
            names.append((0, item.identity))
        # The smallest name is on top, which stays when fakes are added.
        first, *others = sorted(map(top, names))
        above |= dict.fromkeys(others, first)
    return {item.path: top((1 + item.label, item.path))[1] for item in items}


def _check_identities(items):
    without = [item.path for item in items if item.identity is None]
    if without:
        raise InputError(
            f"{shown(without[0])}: has no identity, and {len(without) - 1} others have none; give "
            "all one (folders real/IDENTITY and fake/METHOD/IDENTITY, or the list's column), or "
            "split by video"
        )


def _grouped(items, where, seed):
    """Yield (item, name of its group) in the order in which they are prepared.

    A real clip and its fakes make a group; images share one, for
    `tfrecords.examples.image_group`. Groups are shuffled, so that every shard holds real and fake
    ones.
    """
    units = {}
    for item in items:
        units.setdefault((where[item.path], item.source or item.path), []).append(item)
    groups, open_groups = {}, {}
    for (split, name), unit in units.items():
        if not all(is_image_name(item.path) for item in unit):
            groups[name] = unit
            continue
        kind = split, unit[0].label, unit[0].method
        group = open_groups.get(kind)
        if group is None or len(groups[group]) + len(unit) > _CLIPS_PER_GROUP:
            group = open_groups[kind] = name
            groups[group] = []
        groups[group] += unit
    for name in shuffled(groups, seed):
        for item in groups[name]:
            yield item, name


def _clip(item, split, group, cropped):
    unpaired = None
    if item.label:
        unpaired = "no source is known"
        if item.source:
            unpaired = None if item.source_there else f"its source {item.source} is not there"
    return Clip(
        split=split,
        label=item.label,
        dataset=NAME,
        method=item.method,
        compression="unknown",
        # Names on disk may hold bytes that are no text, and records only text.
        video=item.path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
        path=item.path,
        group=group,
        real=item.source if item.source_there else None,
        unpaired=unpaired,
        cropped=cropped,
        frames=1 if is_image_name(item.path) else None,
    )
