"""Report on one clip of a dataset, as the manifest holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass
class ClipReport:
    """One clip of a dataset, its frames that became examples, and the reasons for the others.

    Attributes:
        split: `"train"`, `"val"` or `"test"`.
        label: 0 real, 1 forged.
        method: `"real"`, or the forgery method.
        compression: of the video.
        video: name of the clip.
        path: relative to the dataset's folder.
        real: path of the clip that it was forged from, `None` where that is unknown.
        frames: number of frames.
        kept: indices of the frames that became examples.
        dropped: lists of the other sampled indices, by reason.
        mask_from: compression of the videos that the masks were made from, or the kind of masks.
        unpaired: reason why a forgery has no masks.
        unusable: reason why it gave no example.
        stated_frames: number of frames that the file states, where it holds fewer.
        donor: path of the file that a swapped face comes from.
        faces, face: number of the faces that persist in it and index of the chosen one, where
            there is more than one.
        shard: name of the file that holds its examples.
    """

    split: str
    label: int
    method: str
    compression: str
    video: str
    path: str
    real: str | None = None
    frames: int = 0
    kept: list[int] = dataclasses.field(default_factory=list)
    dropped: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    mask_from: str | None = None
    unpaired: str | None = None
    unusable: str | None = None
    stated_frames: int | None = None
    donor: str | None = None
    faces: int | None = None
    face: int | None = None
    shard: str = ""

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> ClipReport:
        """Make the report from its entry in the manifest."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})

    def content(self) -> dict[str, Any]:
        """Return the entry of the manifest, a dict."""
        found = dataclasses.asdict(self)
        for name in ("stated_frames", "donor", "faces", "face"):
            if found[name] is None:
                del found[name]
        return found

    def drop(self, problems: Mapping[int, str]) -> None:
        """Add the frames that gave no example, given as reasons by index."""
        for index, reason in sorted(problems.items()):
            self.dropped.setdefault(reason, []).append(index)
