"""Celeb-DF v1 and v2 (Li et al. 2020) in their official layout.

Celeb-real/id0_0009.mp4               identity_number
YouTube-real/00170.mp4                each an identity of its own
Celeb-synthesis/id0_id16_0009.mp4     target_source_number; its real video: Celeb-real/id0_0009.mp4
List_of_testing_videos.txt            1 YouTube-real/00170.mp4

In some copies the videos lie in a folder `videos` inside each of the three. In the list 1 means
real and 0 fake, other than anywhere in this project.

What the list names is test; all else is train, of which the videos of some target identities are
held out as val. The list goes by videos, not by people or by real videos: people of the test set
are in train too, and so are fakes whose real video is in test, or the other way round. That is
how the dataset is commonly used; how many there are is noted in the manifest.
"""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.system import files
from tfrecords.clips import Clip, Lister
from tfrecords.sources.folders import Folders
from tfrecords.sources.lists import fail, is_name, read_lines
from tfrecords.sources.splits import SEED, VAL_FRACTION, hold_out

if TYPE_CHECKING:
    from tfrecords.clips import Listing

NAME = "celeb-df"
SUMMARY = "Celeb-DF v1 or v2: Celeb-real, YouTube-real, Celeb-synthesis and the test list."
OPTIONS = {"val_fraction": VAL_FRACTION, "seed": SEED}
LIST = "List_of_testing_videos.txt"

_CELEBRITIES, _YOUTUBE, _FAKE = "Celeb-real", "YouTube-real", "Celeb-synthesis"
_LABELS = {_CELEBRITIES: 0, _YOUTUBE: 0, _FAKE: 1}
_NAMES = {
    _CELEBRITIES: re.compile(r"(?P<identity>id\d+)_(?P<number>\d+)"),
    _FAKE: re.compile(r"(?P<identity>id\d+)_id\d+_(?P<number>\d+)"),
}


def find(
    root: str | os.PathLike[str],
    *,
    val_fraction: float = VAL_FRACTION.default,
    seed: int = SEED.default,
) -> Listing:
    """List the clips on disk.

    Args:
        root: folder that holds the three folders and the list.
        val_fraction: part of the celebrities, and of the people of YouTube-real, whose videos
            outside the list become val.
        seed: another one holds out others.

    Returns:
        a `Listing`. Videos on the list but not on disk are only counted.

    Raises:
        InputError: no such layout, no list, one that is damaged or says 0 for a real video, or
            no video on disk.
    """
    paths, test = _paths(root), _test(root)
    splits, found = _splits(paths, test, val_fraction, seed), Lister()
    for video in sorted(paths, key=lambda video: (video.group, video.label, video.name)):
        found.add(_clip(video, splits[video], paths))
    for video in test - paths.keys():
        found.add_missing("test", video.label, video.folder)
    _note_shared(found)
    return found.listing(
        f"{root}: no video in it; expected {_CELEBRITIES}/*.mp4, {_YOUTUBE}/*.mp4 and {_FAKE}/*.mp4"
    )


@dataclasses.dataclass(frozen=True)
class _Video:
    """A video by its folder and its name without ending."""

    folder: str
    name: str

    @property
    def label(self):
        return _LABELS[self.folder]

    @property
    def group(self):
        """The real video that it is or is made from; itself where its name does not say."""
        parts = self._parts()
        if parts:
            return f"{parts['identity']}_{parts['number']}"
        return f"{self.folder}/{self.name}"

    @property
    def identity(self):
        """Whose video it was before it was forged; nobody else's where its name does not say."""
        parts = self._parts()
        return parts["identity"] if parts else f"{self.folder}/{self.name}"

    def _parts(self):
        pattern = _NAMES.get(self.folder)
        return pattern.fullmatch(self.name) if pattern else None


def _paths(root):
    """Find the path of each `_Video` on disk."""
    folders = Folders(root)
    names = {name.lower(): name for name in folders.names("")}
    there = {folder: names[folder.lower()] for folder in _LABELS if folder.lower() in names}
    if not there:
        raise InputError(
            f"{root}: not Celeb-DF; expected the folders {_CELEBRITIES}, {_YOUTUBE} and {_FAKE} "
            f"and {LIST} in it"
        )
    return {
        _Video(folder, name.removesuffix(".mp4")): f"{place}/{name}"
        for folder, outer in there.items()
        for place in (outer, f"{outer}/videos")
        for name in folders.videos(place)
    }


def _test(root):
    """Read the official list: a set of `_Video`s."""
    path = files.join(root, LIST)
    if not files.is_file(path):
        raise InputError(
            f"{path}: not found; expected the list of test videos that comes with Celeb-DF there"
        )
    listed = set()
    for number, line in read_lines(path):
        label, _, video = line.partition(" ")
        folder, _, name = video.strip().partition("/")
        name = name.removeprefix("videos/")
        if label not in ("0", "1") or folder not in _LABELS or not is_name(name):
            fail(path, f"expected a line such as '1 {_YOUTUBE}/00170.mp4'", line, number)
        if int(label) == _LABELS[folder]:
            fail(path, "expected the official labels, 1 for real and 0 for fake", line, number)
        listed.add(_Video(folder, name.removesuffix(".mp4")))
    if not listed:
        fail(path, "expected the test videos, a line each", "an empty file")
    return listed


def _splits(videos, test, val_fraction, seed):
    """Choose the split of each video on disk."""
    identities = {video.identity for video in videos if video not in test}
    # Kinds give val celebrities, of whom alone there are fakes, as well as others.
    kinds = {identity: identity.startswith(f"{_YOUTUBE}/") for identity in identities}
    held_out = hold_out(identities, val_fraction, seed, kinds)
    splits = {}
    for video in videos:
        rest = "val" if video.identity in held_out else "train"
        splits[video] = "test" if video in test else rest
    return splits


def _clip(video, split, paths):
    real, unpaired = None, None
    if video.label:
        real = paths.get(_Video(_CELEBRITIES, video.group))
        if video.group == f"{_FAKE}/{video.name}":
            unpaired = (
                "its name does not tell its real video; expected a name such as id0_id16_0009"
            )
        elif real is None:
            unpaired = f"its real video {_CELEBRITIES}/{video.group}.mp4 is not on disk"
    return Clip(
        split=split,
        label=video.label,
        dataset=NAME,
        method=video.folder,
        compression="original",
        video=video.name,
        path=paths[video],
        group=video.group,
        real=real,
        unpaired=unpaired,
    )


def _note_shared(found):
    """Note how many clips of train and val are made from a real video that test has too."""
    tested = {clip.group for clip in found.clips if clip.split == "test"}
    shared = sum(clip.split != "test" and clip.group in tested for clip in found.clips)
    if shared:
        found.note(
            f"clips of train and val that share their real video with a clip of test: {shared}; "
            f"{LIST} goes by videos"
        )
