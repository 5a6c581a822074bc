"""The Deepfake Detection Challenge (Dolhansky et al. 2020), whole or in part.

dfdc_train_part_0/metadata.json    {"x.mp4": {"label": "FAKE", "split": "train",
                                              "original": "y.mp4"}}
dfdc_train_part_0/*.mp4
validation/labels.csv              filename,label    (1 is fake)
test/labels.csv

Parts and sets lie anywhere below the root, up to five folders deep; so does Kaggle's
train_sample_videos. A list speaks of the videos beside it and below it, down to the next list.

metadata.json gives train. Its fakes are compared with their original, which is often in another
part. labels.csv gives test, in a folder called validation (or val) val; it does not say what a
fake was made from. Without a validation set, some of the originals and all fakes made from them
are held out of train as val; fakes that name no original stay in train. People are in several
originals, and who is in which is not published, so that they are in train and val alike.

A video that several lists name is taken once: from labels.csv, or else from the first part.
Videos that no list labels are left out, and noted.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.media.sequences import natural_key
from lrl_keras.system import files
from tfrecords.clips import Clip, Lister
from tfrecords.sources.folders import Folders
from tfrecords.sources.lists import fail, is_name, read_json, read_table
from tfrecords.sources.splits import SEED, VAL_FRACTION, hold_out

if TYPE_CHECKING:
    from tfrecords.clips import Listing

NAME = "dfdc"
SUMMARY = "DFDC: parts with metadata.json, validation and test sets with labels.csv."
OPTIONS = {
    "val_fraction": dataclasses.replace(
        VAL_FRACTION,
        help="part of the training set's originals that is held out as val, if there is no "
        "validation set",
    ),
    "seed": SEED,
}
METADATA, LABELS = "metadata.json", "labels.csv"

_VALIDATION = re.compile(r"val(id|idation)?([_-].*)?", re.IGNORECASE)
_LABELS, _WORDS = {"REAL": 0, "FAKE": 1}, ("real", "fake")


def find(
    root: str | os.PathLike[str],
    *,
    val_fraction: float = VAL_FRACTION.default,
    seed: int = SEED.default,
) -> Listing:
    """List the clips of all lists below the root that are on disk.

    Args:
        root: folder that holds parts or sets.
        val_fraction: part of the originals of the training set that becomes val, where there is
            no validation set.
        seed: another one holds out others.

    Returns:
        a `Listing`. Videos on a list but not on disk are only counted.

    Raises:
        InputError: no list below `root`, a damaged one, two that contradict each other, or none
            of their videos on disk.
    """
    found = Lister()
    videos = _videos(root, found)
    held_out = set()
    if not any(video.split == "val" for video in videos.values()):
        trained = [video for video in videos.values() if video.split == "train"]
        originals = {video.group for video in trained if video.original or not video.label}
        held_out = hold_out(originals, val_fraction, seed)
    for video in sorted(videos.values(), key=lambda video: (video.group, video.label, video.name)):
        if video.split == "train" and video.group in held_out:
            video = dataclasses.replace(video, split="val")
        if video.path is None:
            found.add_missing(video.split, video.label, video.method)
        else:
            found.add(_clip(video, videos))
    return found.listing(
        f"{root}: none of the {found.total} videos that the {METADATA} and {LABELS} below it name "
        "is there; expected them beside the list or below it"
    )


@dataclasses.dataclass(frozen=True)
class _Video:
    """A video as the lists describe it.

    Attributes:
        name: its file name.
        label: 0 real, 1 forged.
        split: `"train"`, `"val"` or `"test"`.
        original: file name of the real video that it is made from, `None` where not stated.
        path: where it lies, relative to the root; `None` where it is not on disk.
    """

    name: str
    label: int
    split: str
    original: str | None
    path: str | None

    @property
    def method(self):
        return "DFDC" if self.label else "real"

    @property
    def group(self):
        return (self.original or self.name).removesuffix(".mp4")


def _clip(video, videos):
    real, unpaired = None, None
    if video.label and video.original is None:
        unpaired = "its list does not say which real video it is made from"
    elif video.label:
        original = videos.get(video.original)
        real = original.path if original else None
        unpaired = None if real else f"its real video {video.original} is not on disk"
    return Clip(
        split=video.split,
        label=video.label,
        dataset=NAME,
        method=video.method,
        compression="original",
        video=video.name.removesuffix(".mp4"),
        path=video.path,
        group=video.group,
        real=real,
        unpaired=unpaired,
    )


def _videos(root, found):
    """Read every `_Video` of the lists below the root, by its name."""
    folders = Folders(root)
    places = _places(folders)
    lists = [folder for folder in places if folder is not None]
    if not lists:
        raise InputError(
            f"{root}: not DFDC; expected {METADATA} beside the videos of each part, such as "
            f"dfdc_train_part_0/{METADATA}, or {LABELS} beside those of the test set, in it or "
            "below it"
        )
    videos, sources, repeated = {}, {}, 0
    lists.sort(key=lambda folder: (LABELS not in folders.names(folder), natural_key(folder)))
    for folder in lists:
        for path, video in _listed(folders, folder):
            video = dataclasses.replace(video, path=places[folder].pop(video.name, None))
            first = videos.get(video.name)
            if first is None:
                videos[video.name], sources[video.name] = video, path
                continue
            if first.label != video.label:
                raise InputError(
                    f"{path}: {video.name} is {_WORDS[video.label]}, but {_WORDS[first.label]} in "
                    f"{sources[video.name]}; one of the two is not the official list"
                )
            repeated += 1
            if first.path is None:
                videos[video.name] = dataclasses.replace(first, path=video.path)
    if repeated:
        found.note(f"videos listed more than once, each taken once: {repeated}")
    left = sorted(path for place in places.values() for path in place.values())
    if left:
        found.note(
            f"videos left out, as no {METADATA} or {LABELS} says whether they are real: "
            f"{len(left)}, the first {left[0]}"
        )
    return videos


def _places(folders):
    """Find the videos on disk: paths by the folder of the list that speaks of them, by name.

    Videos of which no list speaks are under `None`.
    """
    owners, places = {}, {None: {}}
    for folder in folders.walk():
        names = folders.names(folder)
        owner = owners.get(folder.rpartition("/")[0]) if folder else None
        if METADATA in names or LABELS in names:
            owner = folder
        owners[folder] = owner
        place = places.setdefault(owner, {})
        for name in folders.videos(folder):
            place.setdefault(name, f"{folder}/{name}" if folder else name)
    return places


def _listed(folders, folder):
    """Yield (path of the list, `_Video` without its path) of each entry of a folder's list."""
    inside = f"{folder}/" if folder else ""
    if LABELS in folders.names(folder):
        path = files.join(folders.root, inside + LABELS)
        validation = any(map(_VALIDATION.fullmatch, folder.split("/")))
        split = "val" if validation else "test"
        for number, (name, label) in read_table(path, ("filename", "label")):
            if not is_name(name) or label not in ("0", "1"):
                fail(path, "expected a file name, and 1 for fake or 0", f"{name},{label}", number)
            yield path, _Video(name, int(label), split, None, None)
        return
    path = files.join(folders.root, inside + METADATA)
    entries = read_json(path)
    if not isinstance(entries, dict):
        fail(path, "expected a JSON object with an entry for each video", entries)
    if not any("label" in entry for entry in entries.values() if isinstance(entry, dict)):
        return  # That of a test set.
    for name, entry in entries.items():
        label = entry.get("label") if isinstance(entry, dict) else None
        if not is_name(name) or label not in tuple(_LABELS):
            fail(path, 'expected {"<name>.mp4": {"label": "REAL" or "FAKE"}}', {name: entry})
        original = entry.get("original") or None
        if original is not None and not is_name(original):
            fail(path, f"original of {name} must be a file name", original)
        yield path, _Video(name, _LABELS[label], "train", original, None)
