"""The folders that FaceForensics++ and DFD share: one for each compression of every video.

original_sequences/<place>/<compression>/videos/071.mp4
manipulated_sequences/<place>/<compression>/videos/071_054.mp4

The folders' `masks/` are not read: they are not difference masks.
"""

from lrl_keras.errors import InputError
from lrl_keras.system import files
from lrl_keras.system.options import Option
from tfrecords.clips import MaskPair
from tfrecords.sources.folders import Folders

COMPRESSIONS = ("raw", "c23", "c40")  # from the least compressed
ORIGINALS, FORGERIES = "original_sequences", "manipulated_sequences"
OPTIONS = {
    "compression": Option("c23", "which version of the videos", COMPRESSIONS),
    "mask_from": Option(
        "best",
        "make masks from the least compressed version on disk, or from the chosen one",
        ("best", "same"),
    ),
}

_FOLDERS = {"raw": ("raw", "c0"), "c23": ("c23",), "c40": ("c40",)}


def check_layout(root, name, real, fake):
    """Raise `InputError` unless `root` looks like the root of such a dataset.

    Args:
        root: the folder.
        name: of the dataset.
        real, fake: where its videos are expected, e.g. `"original_sequences/youtube"`.
    """
    if not files.is_folder(root):
        raise InputError(f"{root}: no such folder; give the root of {name}")
    if not any(files.is_folder(files.join(root, folder)) for folder in (ORIGINALS, FORGERIES)):
        raise InputError(
            f"{root}: not {name}; expected {real}/c23/videos/*.mp4 and {fake}/c23/videos/*.mp4 "
            "in it"
        )


class Tree:
    """The videos below the root of such a dataset.

    Args:
        root: path or URL.
    """

    def __init__(self, root):
        self._folders = Folders(root)

    def find(self, place, compression, video):
        """Find the path of a video relative to the root, `None` if it is not there.

        Args:
            place: e.g. `"original_sequences/youtube"`.
            compression: one of `COMPRESSIONS`.
            video: its name without ending.
        """
        for name in _FOLDERS[compression]:
            folder = f"{place}/{name}/videos"
            path = f"{folder}/{video}.mp4"
            if self._folders.has(path):
                return path
        return None

    def videos(self, place, compression):
        """List the names without ending of all videos of a place, sorted."""
        names = {
            name.removesuffix(".mp4")
            for folder in _FOLDERS[compression]
            for name in self._folders.videos(f"{place}/{folder}/videos")
        }
        return sorted(names)

    def mask_pair(self, fake_place, fake, real_place, real, compression, mask_from):
        """Choose the videos for the mask, `None` where the clip's own are the ones."""
        if mask_from == "best":
            for better in COMPRESSIONS[: COMPRESSIONS.index(compression)]:
                paths = self.find(fake_place, better, fake), self.find(real_place, better, real)
                if all(paths):
                    return MaskPair(better, *paths)
        return None

    def compressions(self, places):
        """Name the compressions of which there is any video."""
        there = [
            compression
            for compression in COMPRESSIONS
            if any(self.videos(place, compression) for place in places)
        ]
        return ", ".join(there) or "no video at all"
