"""The sets of records that the experiments share, each made once below OUT/records."""

import dataclasses
import functools

from lrl_keras import data
from lrl_keras.data.manifest import SPLITS
from lrl_keras.data.records import ALL
from lrl_keras.system import files
from tfrecords.build import prepare

# Videos in the official lists, by split: all real ones, and the forged ones of each method.
OFFICIAL = {
    "faceforensics": {"train": (720, 720), "val": (140, 140), "test": (140, 140)},
    "celeb-df": {"test": (178, 340)},
    "dfd": {"test": (363, 3068)},
}


@dataclasses.dataclass(frozen=True)
class Records:
    """A set of records: what it is made from, and where it lies.

    Attributes:
        name: of its folder.
        folder: the records' folder.
        source: one of `tfrecords.sources.SOURCES`.
        root: folder of the dataset.
        options: options of `tfrecords.build.prepare`, as (name, value) pairs.
        split: the split that networks are measured on, `"all"` for all of them.
    """

    name: str
    folder: str
    source: str
    root: str
    options: tuple
    split: str = "test"

    def prepare(self, workers=None, overwrite=False):
        """Make the records, or go on making them; returns `lrl_keras.data.Records`."""
        return prepare(
            self.source,
            self.root,
            self.folder,
            workers=workers,
            overwrite=overwrite,
            **dict(self.options),
        )

    @functools.cached_property
    def opened(self):
        """The finished records, `lrl_keras.data.Records`."""
        return data.Records.open(self.folder)

    @property
    def fingerprint(self):
        """SHA-256 that stands for the finished records."""
        return self.opened.fingerprint


def records(out, name, source, root, **options):
    """Describe `Records` below the folder of the experiments."""
    folder = files.join(out, "records", name)
    return Records(name, folder, source, str(root), tuple(sorted(options.items())))


def finished(folder):
    """Describe `Records` that were made before, by whatever command; they are measured whole."""
    return Records(files.name_of(folder), folder, data.Records.open(folder).source, "", (), ALL)


def faceforensics(choice, compression):
    """Describe FaceForensics++ in one quality: `"raw"`, `"c23"` (HQ) or `"c40"` (LQ)."""
    return _dataset(choice, f"ffpp-{compression}", "faceforensics", "ffpp", compression=compression)


def celeb_df(choice):
    """Describe the official test list of Celeb-DF."""
    return _dataset(choice, "celeb-df", "celeb-df", "celeb_df", only=("test",))


def dfdc(choice):
    """Describe the test set of the DFDC preview, which the paper cites."""
    return _dataset(choice, "dfdc-preview", "dfdc-preview", "dfdc", only=("test",))


def dfd(choice):
    """Describe DeepFakeDetection as it lies beside FaceForensics++, HQ."""
    return _dataset(choice, "dfd-c23", "dfd", "dfd", compression="c23", only=("test",))


def _dataset(choice, name, source, root, **options):
    options |= {"frames_per_video": choice.frames_per_video, "image_size": choice.image_size}
    return records(choice.out, name, source, choice.roots[root], **options)


def gaps(records):
    """Name all of a dataset that was not there or could not be used, a line each; none: all was.

    Args:
        records: `lrl_keras.data.Records`.
    """
    official = OFFICIAL.get(records.source, {})
    for split in sorted(records.counts, key=SPLITS.index):
        for kind, methods in records.counts[split].items():
            wanted = official.get(split, (0, 0))[kind == "fake"]
            # The lists count the real videos of several folders together.
            together = kind == "real" and len(methods) > 1
            for method, found in methods.items():
                yield from _gaps(f"{split} {method}", found, 0 if together else wanted)
            listed = sum(found["listed_videos"] for found in methods.values())
            if together and listed < wanted:
                yield f"{split} {kind}: {listed} of {wanted} videos"


def _gaps(name, found, wanted):
    listed = found["listed_videos"]
    used, wanted = listed - found["missing_videos"] - found["unusable_videos"], max(wanted, listed)
    if used < wanted:
        yield f"{name}: {used} of {wanted} videos"
    if found["unpaired_videos"]:
        yield f"{name}: {found['unpaired_videos']} videos without a mask"
    if found["dropped_frames"]:
        yield f"{name}: {found['dropped_frames']} frames dropped"
