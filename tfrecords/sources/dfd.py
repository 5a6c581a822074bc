"""DeepFakeDetection (Google and Jigsaw 2019) as the FaceForensics++ download holds it.

original_sequences/actors/<compression>/videos/24__kitchen_still.mp4
manipulated_sequences/DeepFakeDetection/<compression>/videos/24_23__kitchen_still__YR5OVD4S.mp4

The fake is named target_source__scene__code: its real video is target__scene. There are no
official lists: all that is on disk is test data.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from tfrecords.clips import Clip, Lister
from tfrecords.sources import compressed_tree
from tfrecords.sources.compressed_tree import FORGERIES, ORIGINALS, Tree, check_layout

if TYPE_CHECKING:
    from tfrecords.clips import Listing

NAME = "dfd"
SUMMARY = "DeepFakeDetection: original_sequences/actors and manipulated_sequences, all of it test."
OPTIONS = compressed_tree.OPTIONS
REAL, FAKE = "real", "DeepFakeDetection"

_ACTORS, _FAKES = f"{ORIGINALS}/actors", f"{FORGERIES}/{FAKE}"
_FAKE_NAME = re.compile(r"(?P<target>[^_]+)_[^_]+__(?P<scene>.+)__[^_]+")


def find(
    root: str | os.PathLike[str], *, compression: str = "c23", mask_from: str = "best"
) -> Listing:
    """List the clips on disk.

    Args:
        root: folder that holds `original_sequences` and `manipulated_sequences`.
        compression: `"raw"` (its folder may be called `c0`), `"c23"` or `"c40"`.
        mask_from: `"best"`: masks from the least compressed version of which both the fake and
            the real video are on disk; `"same"`: from `compression`.

    Returns:
        a `Listing`, all of it test, the fakes of a real video after it.

    Raises:
        InputError: no such layout, or no video in this compression.
    """
    check_layout(root, "DeepFakeDetection", _ACTORS, _FAKES)
    tree, found = Tree(root), Lister()
    fakes = {}
    for video in tree.videos(_FAKES, compression):
        fakes.setdefault(_group(video), []).append(video)
    common: dict[str, Any] = {"split": "test", "dataset": NAME, "compression": compression}
    for name in sorted({*tree.videos(_ACTORS, compression), *fakes}):
        real = tree.find(_ACTORS, compression, name)
        if real:
            found.add(Clip(label=0, method=REAL, video=name, path=real, group=name, **common))
        for video in fakes.get(name, ()):
            paired = tree.mask_pair(_FAKES, video, _ACTORS, name, compression, mask_from)
            found.add(
                Clip(
                    label=1,
                    method=FAKE,
                    video=video,
                    path=tree.find(_FAKES, compression, video),
                    group=name,
                    real=real,
                    mask_pair=paired if real else None,
                    unpaired=None if real else _why_not(video, name),
                    **common,
                )
            )
    return found.listing(
        f"{root}: no video in compression {compression}; expected "
        f"{_ACTORS}/{compression}/videos/*.mp4 and {_FAKES}/{compression}/videos/*.mp4 "
        f"(there is: {tree.compressions((_ACTORS, _FAKES))})"
    )


def _group(video):
    """Tell the name of a fake's real video; the fake's own where it does not say."""
    parts = _FAKE_NAME.fullmatch(video)
    return f"{parts['target']}__{parts['scene']}" if parts else video


def _why_not(video, name):
    if name == video:
        return "its name does not tell its real video; expected target_source__scene__code"
    return f"its real video {name} is not on disk"
