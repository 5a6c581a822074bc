"""FaceForensics++ (Roessler et al. 2019) in its official layout.

original_sequences/youtube/<compression>/videos/071.mp4
manipulated_sequences/<method>/<compression>/videos/071_054.mp4    (target_source)
splits/{train,val,test}.json                                       [["071", "054"], ...]

The folders' `masks/` are not read: they are not difference masks.
"""

import json
from pathlib import Path

from lrl_keras.data.manifest import SPLITS
from lrl_keras.errors import InputError
from tfrecords.clips import Clip, Listing, MaskPair

NAME = "faceforensics"
METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
ALL_METHODS = (*METHODS, "FaceShifter")
COMPRESSIONS = ("raw", "c23", "c40")  # from the least compressed
REAL = "real"

_FOLDERS = {"raw": ("raw", "c0"), "c23": ("c23",), "c40": ("c40",)}


def find(root, *, compression="c23", methods=METHODS, mask_from="best"):
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
    root = Path(root)
    _check_layout(root)
    clips, listed = [], {}
    for split, target, source in _targets(root):
        common = {"split": split, "dataset": NAME, "compression": compression, "group": target}
        found = [(REAL, _real(root, target, common))]
        for method in methods:
            found.append((method, _fake(root, method, target, source, common, mask_from)))
        for method, clip in found:
            key = (split, int(method != REAL), method)
            listed[key] = listed.get(key, 0) + 1
            if clip is not None:
                clips.append(clip)
    if not clips:
        raise InputError(
            f"{root}: none of the {sum(listed.values())} videos that splits/ lists is there in "
            f"compression {compression}; expected them in {_relative(REAL, compression, '*')} and "
            f"{_relative(methods[0], compression, '*')} (there is: {_compressions(root)})"
        )
    return Listing(tuple(clips), listed)


def _real(root, target, common):
    path = _on_disk(root, REAL, common["compression"], target)
    return path and Clip(label=0, method=REAL, video=target, path=path, **common)


def _fake(root, method, target, source, common, mask_from):
    video = f"{target}_{source}"
    compression = common["compression"]
    path = _on_disk(root, method, compression, video)
    real = _on_disk(root, REAL, compression, target)
    if path is None:
        return None
    if real is None:
        missing = f"its real video {target} is not on disk"
        return Clip(label=1, method=method, video=video, path=path, unpaired=missing, **common)
    pair = _best_pair(root, method, video, target, compression) if mask_from == "best" else None
    return Clip(label=1, method=method, video=video, path=path, real=real, mask_pair=pair, **common)


def _best_pair(root, method, video, target, compression):
    """The videos for the mask, `None` where the clip's own are the ones."""
    for better in COMPRESSIONS[: COMPRESSIONS.index(compression)]:
        fake = _on_disk(root, method, better, video)
        real = _on_disk(root, REAL, better, target)
        if fake and real:
            return MaskPair(better, fake, real)
    return None


def _on_disk(root, method, compression, video):
    """Relative path of a video, `None` if it is not there."""
    for folder in _FOLDERS[compression]:
        path = _relative(method, folder, video)
        if (root / path).is_file():
            return path
    return None


def _relative(method, folder, video):
    place = "original_sequences/youtube" if method == REAL else f"manipulated_sequences/{method}"
    return f"{place}/{folder}/videos/{video}.mp4"


def _compressions(root):
    """The compressions of which there is any video, in words."""
    folders = [
        folder
        for names in _FOLDERS.values()
        for folder in names
        if any(root.glob(f"*/*/{folder}/videos/*.mp4"))
    ]
    return ", ".join(folders) or "no video at all"


def _check_layout(root):
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the root of FaceForensics++")
    folders = ("original_sequences", "manipulated_sequences")
    if not any((root / folder).is_dir() for folder in folders):
        raise InputError(
            f"{root}: not FaceForensics++; expected original_sequences/youtube/c23/videos/*.mp4 "
            "and manipulated_sequences/<method>/c23/videos/*.mp4 in it"
        )
    for split in SPLITS:
        if not (root / "splits" / f"{split}.json").is_file():
            raise InputError(
                f"{root}/splits/{split}.json: not found; expected the official lists train.json, "
                "val.json and test.json there (dataset/splits of the FaceForensics repository)"
            )


def _targets(root):
    """(split, target, source) of the official lists; each target once."""
    seen = {}
    for split in SPLITS:
        for pair in _pairs(root / "splits" / f"{split}.json"):
            for target, source in (pair, pair[::-1]):
                if target in seen:
                    raise InputError(
                        f"{root}/splits/{split}.json: {target} is listed a second time (first in "
                        f"{seen[target]}.json); a video belongs to one pair of one split"
                    )
                seen[target] = split
                yield split, target, source


def _pairs(path):
    try:
        pairs = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); copy the official list again"
        ) from None
    valid = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(_is_name, pair)) for pair in pairs
    )
    if not valid:
        raise InputError(f'{path}: expected a list of pairs of names, such as [["071", "054"]]')
    return pairs


def _is_name(value):
    return isinstance(value, str) and value not in ("", ".", "..") and not set("/\\") & set(value)
