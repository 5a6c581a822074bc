"""The preview of the Deepfake Detection Challenge (Dolhansky et al. 2019) in its official layout.

original_videos/643049/643049_A_001.mp4                    identity/identity_recording_clip
method_A/643049/643049_A/1003254_643049_A_001.mp4          swapped_identity_recording_clip
method_B/...
dataset.json    {"method_A/...": {"label": "fake", "set": "train", "augmentations": [],
                                  "target_id": ..., "swapped_id": ..., "source_video": ...}}

In some copies the videos of each of the three folders lie in one folder `videos` of it.

`set` gives test; of train, the videos of some target identities are held out as val. Which clip
a fake was made from is not documented: dataset.json names the recording (`source_video`), the
number in the fake's name says the clip. Every fake is compared with that clip when it is prepared
and kept without a mask where their frames do not fit. So is what was augmented (frame rate,
resolution or quality reduced), where the difference to the original is no mask.
"""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING

from lrl_keras.errors import InputError
from lrl_keras.system import files
from tfrecords.clips import Clip, Lister
from tfrecords.sources.folders import Folders
from tfrecords.sources.lists import fail, is_path, read_json
from tfrecords.sources.splits import SEED, VAL_FRACTION, hold_out

if TYPE_CHECKING:
    from tfrecords.clips import Listing

NAME = "dfdc-preview"
SUMMARY = "DFDC preview: dataset.json, original_videos, method_A and method_B."
OPTIONS = {"val_fraction": VAL_FRACTION, "seed": SEED}
LIST = "dataset.json"

_ORIGINALS = "original_videos"
_LABELS = {"real": 0, "fake": 1}


def find(
    root: str | os.PathLike[str],
    *,
    val_fraction: float = VAL_FRACTION.default,
    seed: int = SEED.default,
) -> Listing:
    """List the clips of dataset.json that are on disk.

    Args:
        root: folder that holds dataset.json and the folders that it names.
        val_fraction: part of the target identities of the training set that becomes val.
        seed: another one holds out others.

    Returns:
        a `Listing`. Videos of dataset.json that are not on disk are only counted.

    Raises:
        InputError: no such layout, dataset.json is damaged, or none of its videos on disk.
    """
    videos = _videos(root)
    trained = {video.identity for video in videos if video.set == "train"}
    held_out = hold_out(trained, val_fraction, seed)
    folders, found = Folders(root), Lister()
    originals = {video.name: video for video in videos if not video.label}
    for video in sorted(videos, key=lambda video: (video.group, video.label, video.key)):
        split = video.set
        if split == "train" and video.identity in held_out:
            split = "val"
        path = _path(folders, video)
        if path is None:
            found.add_missing(split, video.label, video.method)
            continue
        real, unpaired = None, None
        if video.label:
            real, unpaired = _real(video, originals.get(video.group), folders)
        found.add(
            Clip(
                split=split,
                label=video.label,
                dataset=NAME,
                method=video.method,
                compression="original",
                video=video.name,
                path=path,
                group=video.group,
                real=real,
                unpaired=unpaired,
            )
        )
    return found.listing(
        f"{root}: none of the {found.total} videos that {LIST} names is there; expected e.g. "
        f"{videos[0].key}"
    )


@dataclasses.dataclass(frozen=True)
class _Video:
    """An entry of dataset.json.

    Attributes:
        key: its path there.
        label: 0 real, 1 forged.
        set: `"train"` or `"test"`.
        identity: whose video it was before it was forged.
        group: name of the original clip that it is or, by its name, is made from.
        augmentations: what was done to it after that.
    """

    key: str
    label: int
    set: str
    identity: str
    group: str
    augmentations: tuple[str, ...]

    @property
    def name(self):
        return _name(self.key)

    @property
    def method(self):
        return self.key.split("/")[0] if self.label else "real"


def _videos(root):
    """Read and check the entries of dataset.json."""
    path = files.join(root, LIST)
    if not files.is_file(path):
        raise InputError(
            f"{path}: not found; expected {LIST} of the DFDC preview beside {_ORIGINALS}, method_A "
            "and method_B"
        )
    entries = read_json(path)
    if not isinstance(entries, dict) or not entries:
        fail(path, "expected a JSON object with an entry for each video", entries)
    videos = [_video(path, key, entry) for key, entry in entries.items()]
    seen = set()
    for video in videos:
        if (video.method, video.name) in seen:
            fail(path, "expected each name once in a folder", video.key)
        seen.add((video.method, video.name))
    return videos


def _video(path, key, entry):
    if not is_path(key) or "/" not in key:
        fail(path, f"expected paths such as {_ORIGINALS}/643049/643049_A_001.mp4", key)
    if not isinstance(entry, dict):
        fail(path, f"expected an object for {key}", entry)
    for field, values in (("label", tuple(_LABELS)), ("set", ("train", "test"))):
        if entry.get(field) not in values:
            fail(path, f"{key}: {field} must be {' or '.join(values)}", entry.get(field))
    augmentations = entry.get("augmentations") or []
    if not isinstance(augmentations, list) or not all(isinstance(x, str) for x in augmentations):
        fail(path, f"{key}: augmentations must be a list of words", augmentations)
    label = _LABELS[entry["label"]]
    identity = str(entry.get("target_id") or key.split("/")[1])
    recording = str(entry.get("source_video") or identity)
    group = _original(_name(key), recording) if label else _name(key)
    return _Video(key, label, entry["set"], identity, group, tuple(augmentations))


def _name(key):
    return key.rpartition("/")[2].removesuffix(".mp4")


def _original(fake, recording):
    """Tell which clip of `recording` a fake's name points to; itself where it points to none."""
    _, _, rest = fake.partition("_")
    return rest if rest.startswith(f"{recording}_") else fake


def _path(folders, video):
    """Find the path of a video, `None` if it is not on disk."""
    parts = video.key.split("/")
    flat = f"{parts[0]}/videos/{parts[-1]}"
    return next((path for path in (video.key, flat) if folders.has(path)), None)


def _real(video, original, folders):
    """Find the path of a fake's original clip, or `None` and why the two cannot be compared."""
    if original is None:
        return None, f"{LIST} names no original clip {video.group}.mp4"
    path = _path(folders, original)
    if path is None:
        return None, f"its real video {original.key} is not on disk"
    if augmented := video.augmentations or original.augmentations:
        return None, f"it or its real video was augmented: {', '.join(augmented)}"
    return path, None
