"""FaceForensics++ (Roessler et al. 2019) in its official layout.

original_sequences/youtube/<compression>/videos/071.mp4
manipulated_sequences/<method>/<compression>/videos/071_054.mp4    (target_source)
splits/{train,val,test}.json                                       [["071", "054"], ...]
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrl_keras.data.manifest import SPLITS
from lrl_keras.errors import InputError
from lrl_keras.system import files
from lrl_keras.system.options import Option
from tfrecords.clips import Clip, Lister
from tfrecords.sources import compressed_tree
from tfrecords.sources.compressed_tree import FORGERIES, ORIGINALS, Tree, check_layout
from tfrecords.sources.lists import fail, is_name, read_json

if TYPE_CHECKING:
    from tfrecords.clips import Listing

NAME = "faceforensics"
SUMMARY = "FaceForensics++: original_sequences/youtube, manipulated_sequences and splits."
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
OPTIONS = {
    **compressed_tree.OPTIONS,
    "methods": Option(
        METHODS, "forgery methods, named after ROOT and OUT", (*METHODS, "FaceShifter")
    ),
}
REAL = "real"

_YOUTUBE = f"{ORIGINALS}/youtube"


def find(
    root: str | os.PathLike[str],
    *,
    compression: str = "c23",
    methods: Sequence[str] = METHODS,
    mask_from: str = "best",
) -> Listing:
    """List the clips of the official splits that are on disk.

    The pair [a, b] of a split gives the real videos a and b and, for each method, the fakes
    a_b (target a, made from the real video a) and b_a.

    Args:
        root: folder that holds `original_sequences`, `manipulated_sequences` and `splits`.
        compression: `"raw"` (its folder may be called `c0`), `"c23"` or `"c40"`.
        methods: the manipulations to take.
        mask_from: `"best"`: masks from the least compressed version of which both the fake and
            the real video are on disk; `"same"`: from `compression`.

    Returns:
        a `Listing`. Videos on the lists but not on disk are only counted.

    Raises:
        InputError: no such layout, no lists, or none of the listed videos on disk.
    """
    check_layout(root, "FaceForensics++", _YOUTUBE, f"{FORGERIES}/<method>")
    _check_lists(root)
    tree, found = Tree(root), Lister()
    for split, target, source in _targets(root):
        common = {"split": split, "dataset": NAME, "compression": compression, "group": target}
        real = tree.find(_YOUTUBE, compression, target)
        if real is None:
            found.add_missing(split, 0, REAL)
        else:
            found.add(Clip(label=0, method=REAL, video=target, path=real, **common))
        for method in methods:
            place, video = f"{FORGERIES}/{method}", f"{target}_{source}"
            path = tree.find(place, compression, video)
            if path is None:
                found.add_missing(split, 1, method)
                continue
            about = {"label": 1, "method": method, "video": video, "path": path, **common}
            if real is None:
                found.add(Clip(unpaired=f"its real video {target} is not on disk", **about))
            else:
                pair = tree.mask_pair(place, video, _YOUTUBE, target, compression, mask_from)
                found.add(Clip(real=real, mask_pair=pair, **about))
    places = (_YOUTUBE, *(f"{FORGERIES}/{method}" for method in OPTIONS["methods"].choices))
    return found.listing(
        f"{root}: none of the {found.total} videos that splits/ lists is there in compression "
        f"{compression}; expected them in {_YOUTUBE}/{compression}/videos/*.mp4 and "
        f"{FORGERIES}/{methods[0]}/{compression}/videos/*.mp4 "
        f"(there is: {tree.compressions(places)})"
    )


def _check_lists(root):
    for split in SPLITS:
        path = files.join(root, "splits", f"{split}.json")
        if not files.is_file(path):
            raise InputError(
                f"{path}: not found; expected the official lists train.json, "
                "val.json and test.json there (dataset/splits of the FaceForensics repository)"
            )


def _targets(root):
    """Yield (split, target, source) of the official lists; each target once."""
    seen = {}
    for split in SPLITS:
        path = files.join(root, "splits", f"{split}.json")
        for pair in _pairs(path):
            for target, source in (pair, pair[::-1]):
                if target in seen:
                    raise InputError(
                        f"{path}: {target} is listed a second time (first in "
                        f"{seen[target]}.json); a video belongs to one pair of one split"
                    )
                seen[target] = split
                yield split, target, source


def _pairs(path):
    pairs = read_json(path)
    valid = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(is_name, pair)) for pair in pairs
    )
    if not valid:
        fail(path, 'expected a list of pairs of names, such as [["071", "054"]]', pairs)
    return pairs
