"""What a source says about a video."""

import dataclasses


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
    """One video of a dataset. Paths are relative to the dataset's root, with forward slashes.

    Attributes:
        split: `"train"`, `"val"` or `"test"`.
        label: 0 real, 1 forged.
        dataset, method, compression: e.g. `"faceforensics"`, `"Deepfakes"` (`"real"` for a real
            video), `"c23"`.
        video: the clip's name, unique within (dataset, method).
        path: the video.
        group: name of the real video that the clip is made from, also where that is missing;
            clips of one group are prepared together and share its face detections.
        real: the real video that a fake was made from, `None` where it is not on disk.
        mask_pair: videos to take the mask from, `None`: from `path` and `real`.
        unpaired: why a fake has no real video; `None` where it has one and for a real clip.
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

    @property
    def files(self):
        """Paths of all videos that the clip's examples are made from."""
        pair = (self.mask_pair.fake, self.mask_pair.real) if self.mask_pair else ()
        return tuple(path for path in (self.path, self.real, *pair) if path is not None)


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a source found under a root.

    Attributes:
        clips: the videos on disk, in the order of the dataset's lists.
        listed: number of videos that the dataset's lists name, on disk or not, by
            (split, label, method).
    """

    clips: tuple[Clip, ...]
    listed: dict[tuple[str, int, str], int]
