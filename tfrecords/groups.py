"""A real video and the fakes made from it become examples."""

import dataclasses
import os
from pathlib import Path

from lrl_keras import video
from lrl_keras.data.schema import Example
from lrl_keras.errors import InputError
from lrl_keras.faces import Detector
from tfrecords.clips import Clip
from tfrecords.crops import NO_FACE, NOT_DECODED, cut_same, find_crops
from tfrecords.masks import difference_mask

REAL_NOT_DECODED = "frame of the real video not decoded"
MASK_NOT_DECODED = "frame of the videos for the mask not decoded"


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a clip becomes examples.

    Attributes:
        frames_per_video: frames taken of a clip, evenly spaced.
        image_size: side of the stored crops in pixels.
        margin: side of the crop over the longer side of the face.
    """

    frames_per_video: int
    image_size: int
    margin: float


class Group:
    """The clips of one group: one face detection on the real video serves them all.

    Args:
        clips: the clips of one group.
        root: the dataset's folder.
        settings: a `Settings`.
    """

    def __init__(self, clips, root, settings):
        self.root = Path(root)
        self.settings = settings
        self.detector = Detector()
        self._timelines = {}
        self._faces = {}
        self._mask_reals = {}
        self.jobs = [self._job(clip) for clip in clips]

    def examples(self, job):
        """The examples of one of `jobs` and the report that goes into the manifest.

        Returns:
            (list of `Example`, dict).
        """
        report = {
            **{
                name: getattr(job.clip, name)
                for name in ("split", "label", "method", "compression", "video", "path", "real")
            },
            "frames": job.count,
            "kept": [],
            "dropped": {},
            "mask_from": None,
            "unpaired": None,
            "unusable": job.unusable,
        }
        if job.unusable:
            return [], report
        if job.stated > job.count:
            report["stated_frames"] = job.stated
        try:
            examples, problems, unpaired = self._examples(job)
        except InputError as error:
            report["unusable"] = self._relative(error)
            return [], report
        for index, reason in sorted(problems.items()):
            report["dropped"].setdefault(reason, []).append(index)
        if not examples:
            report["unusable"] = "no usable frame"
        elif job.clip.label and not unpaired:
            pair = job.clip.mask_pair
            report["mask_from"] = pair.compression if pair else job.clip.compression
        report["kept"] = [example.frame for example in examples]
        report["unpaired"] = unpaired
        return examples, report

    def _job(self, clip):
        try:
            line = self._timeline(clip.path)
        except InputError as error:
            return _Job(clip, unusable=self._relative(error))
        shortest, unpaired = line.count, clip.unpaired
        if clip.real is not None:
            try:
                shortest = min(self._timeline(path).count for path in clip.files)
            except InputError as error:
                unpaired = self._relative(error)
        count = line.count if unpaired else shortest
        indices = tuple(video.evenly_spaced(count, self.settings.frames_per_video))
        return _Job(clip, line.count, line.stated, indices, unpaired)

    def _examples(self, job):
        """(examples, reasons by dropped index, why it is unpaired)."""
        unpaired = job.unpaired
        if job.clip.label and not unpaired:
            try:
                return *self._paired(job), None
            except InputError as error:
                unpaired = self._relative(error)
        if job.clip.label:
            indices = video.evenly_spaced(job.count, self.settings.frames_per_video)
            crops, problems = self._find(job.clip.path, indices)
        else:
            crops, problems = self._faces_of(job.clip.path)
            indices = job.indices
        examples = [
            example(job.clip, index, crops[index].box, crops[index].image, None, not unpaired)
            for index in indices
            if index in crops
        ]
        return (
            examples,
            {index: problems[index] for index in indices if index not in crops},
            unpaired,
        )

    def _paired(self, job):
        """Examples of a fake, cropped as its real video is, and reasons by dropped index."""
        crops, problems = self._faces_of(job.clip.real)
        if all(reason == NOT_DECODED for reason in problems.values()) and not crops:
            raise InputError(f"{job.clip.real}: no frame of it can be decoded")
        own = {index: crops[index] for index in job.indices if index in crops}
        images = self._cut_same(job.clip.path, own)
        pair = job.clip.mask_pair
        mask_fakes = self._cut_same(pair.fake, own) if pair else images
        if pair:
            mask_reals = self._mask_real(pair.real, crops)
        else:
            mask_reals = {index: crop.image for index, crop in crops.items()}
        examples, dropped = [], {}
        for index in job.indices:
            if index not in crops:
                missing = problems[index] == NOT_DECODED
                dropped[index] = REAL_NOT_DECODED if missing else NO_FACE
            elif index not in images:
                dropped[index] = NOT_DECODED
            elif index not in mask_fakes or index not in mask_reals:
                dropped[index] = MASK_NOT_DECODED
            else:
                mask = difference_mask(mask_fakes[index], mask_reals[index])
                box = crops[index].box
                examples.append(example(job.clip, index, box, images[index], mask, True))
        return examples, dropped

    def _faces_of(self, path):
        """Crops of a real video at every frame that a clip of the group needs."""
        if path not in self._faces:
            indices = {
                index
                for job in self.jobs
                if not job.unpaired and path in (job.clip.path, job.clip.real)
                for index in job.indices
            }
            self._faces[path] = self._find(path, sorted(indices))
        return self._faces[path]

    def _mask_real(self, path, crops):
        if path not in self._mask_reals:
            self._mask_reals[path] = self._cut_same(path, crops)
        return self._mask_reals[path]

    def _find(self, path, indices):
        settings = self.settings
        return find_crops(
            self.root / path, indices, self.detector, settings.margin, settings.image_size
        )

    def _cut_same(self, path, crops):
        return cut_same(self.root / path, crops, self.settings.image_size)

    def _timeline(self, path):
        if path not in self._timelines:
            self._timelines[path] = video.timeline(self.root / path)
        return self._timelines[path]

    def _relative(self, error):
        """The message without the root, so that the manifest is the same wherever that lies."""
        return str(error).replace(f"{self.root}{os.sep}", "")


@dataclasses.dataclass(frozen=True)
class _Job:
    clip: Clip
    count: int = 0
    stated: int = 0
    indices: tuple[int, ...] = ()
    unpaired: str | None = None
    unusable: str | None = None


def example(clip, index, box, image, mask, has_mask):
    """The `Example` of frame `index` of a clip."""
    return Example(
        image=image,
        mask=mask,
        has_mask=has_mask,
        label=clip.label,
        dataset=clip.dataset,
        method=clip.method,
        compression=clip.compression,
        video=clip.video,
        frame=index,
        box=box,
    )
