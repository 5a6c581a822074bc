"""Descriptions of clips by their source: a clip is a video, an image or a sequence of images."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Collection

from lrl_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class MaskPair:
    """The two videos whose difference is the mask, where they are not the clip's own.

    Attributes:
        compression: their compression, e.g. `"raw"`.
        fake, real: their paths, relative to the dataset's root.
    """

    compression: str
    fake: str
    real: str


@dataclasses.dataclass(frozen=True)
class Clip:
    """One clip of a dataset. Paths are relative to the dataset's root, with forward slashes.

    Attributes:
        split: `"train"`, `"val"` or `"test"`.
        label: 0 real, 1 forged.
        dataset, method, compression: e.g. `"faceforensics"`, `"Deepfakes"` (`"real"` for a real
            video), `"c23"`.
        video: the clip's name, unique within (dataset, method).
        path: a video, an image, a folder of images or a tar archive of images; what
            `lrl_keras.media.clip` reads.
        group: name of the real video that the clip is made from, also where that is missing;
            clips of one group are prepared together and share its face detections.
        real: the real video that a fake was made from, `None` where it is not on disk.
        mask_pair: videos to take the mask from, `None`: from `path` and `real`.
        unpaired: why a fake has no real video; `None` where it has one and for a real clip.
        cropped: whether the images are face crops already, taken as they are.
        frames: how many frames it has, where its name tells (an image has one); `None`: unknown.
            Shards are planned by it.
    """

    split: str
    label: int
    dataset: str
    method: str
    compression: str
    video: str
    path: str
    group: str
    real: str | None = None
    mask_pair: MaskPair | None = None
    unpaired: str | None = None
    cropped: bool = False
    frames: int | None = None

    def __post_init__(self) -> None:
        if self.label and self.real is None and self.unpaired is None:
            object.__setattr__(self, "unpaired", "no real clip is named")

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of all that the clip's examples are made from."""
        pair = (self.mask_pair.fake, self.mask_pair.real) if self.mask_pair else ()
        return tuple(path for path in (self.path, self.real, *pair) if path is not None)


@dataclasses.dataclass(frozen=True)
class Listing:
    """The clips that a source found under a root.

    Attributes:
        clips: the clips on disk, in the order of the dataset's lists.
        listed: number of clips that the dataset's lists name, on disk or not, by
            (split, label, method).
        notes: what the user should know of what was found or left out, a line each.
    """

    clips: tuple[Clip, ...]
    listed: dict[tuple[str, int, str], int]
    notes: tuple[str, ...] = ()

    def only(self, splits: Collection[str]) -> Listing:
        """Make the `Listing` of these splits alone."""
        clips = tuple(clip for clip in self.clips if clip.split in splits)
        listed = {key: count for key, count in self.listed.items() if key[0] in splits}
        return dataclasses.replace(self, clips=clips, listed=listed)


class Lister:
    """Collects a `Listing`: what the lists name, and the clips of it that are on disk."""

    def __init__(self) -> None:
        self._clips = []
        self._listed = collections.Counter()
        self._notes = []

    def add(self, clip: Clip) -> None:
        """Take a clip that is on disk."""
        self._clips.append(clip)
        self.add_missing(clip.split, clip.label, clip.method)

    def add_missing(self, split: str, label: int, method: str) -> None:
        """Count a clip that the lists name and that is not on disk."""
        self._listed[split, label, method] += 1

    def note(self, line: str) -> None:
        """Take what the user should know, paths in it relative to the root."""
        self._notes.append(line)

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips taken so far."""
        return tuple(self._clips)

    @property
    def total(self) -> int:
        """Number of clips named so far, on disk or not."""
        return self._listed.total()

    def listing(self, nothing: str) -> Listing:
        """Make the `Listing`.

        Args:
            nothing: message of the `InputError` that is raised where no clip is on disk.
        """
        if not self._clips:
            raise InputError(nothing)
        return Listing(self.clips, dict(self._listed), tuple(self._notes))
