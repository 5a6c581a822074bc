"""The folders that FaceForensics++ and DFD share: one for each compression of every video.

original_sequences/<place>/<compression>/videos/071.mp4
manipulated_sequences/<place>/<compression>/videos/071_054.mp4

The folders' `masks/` are not read: they are not difference masks.
"""

from lrl_keras import files
from tfrecords.clips import MaskPair
from tfrecords.options import Option

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


class Tree:
    """What is on disk below the root of such a dataset.

    Each folder is listed once: asking for every file would take hours behind a URL.
    """

    def __init__(self, root):
        self.root = root
        self._names = {}

    def find(self, place, compression, video):
        """Path of a video relative to the root, `None` if it is not there.

        Args:
            place: e.g. `"original_sequences/youtube"`.
            compression: one of `COMPRESSIONS`.
            video: its name without ending.
        """
        for name in _FOLDERS[compression]:
            folder = f"{place}/{name}/videos"
            if f"{video}.mp4" in self._in(folder):
                return f"{folder}/{video}.mp4"
        return None

    def videos(self, place, compression):
        """Names without ending of all videos of a place, sorted."""
        names = {
            name.removesuffix(".mp4")
            for folder in _FOLDERS[compression]
            for name in self._in(f"{place}/{folder}/videos")
            if name.endswith(".mp4") and not name.startswith(".")
        }
        return sorted(names)

    def mask_pair(self, fake_place, fake, real_place, real, compression, mask_from):
        """The videos for the mask, `None` where the clip's own are the ones."""
        if mask_from == "best":
            for better in COMPRESSIONS[: COMPRESSIONS.index(compression)]:
                paths = self.find(fake_place, better, fake), self.find(real_place, better, real)
                if all(paths):
                    return MaskPair(better, *paths)
        return None

    def compressions(self, places):
        """The compressions of which there is any video, in words."""
        there = [
            compression
            for compression in COMPRESSIONS
            if any(self.videos(place, compression) for place in places)
        ]
        return ", ".join(there) or "no video at all"

    def _in(self, folder):
        if folder not in self._names:
            path = files.join(self.root, folder)
            self._names[folder] = set(files.names(path)) if files.is_folder(path) else set()
        return self._names[folder]
