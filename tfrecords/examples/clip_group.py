"""A real clip and the fakes made from it become examples."""

import dataclasses

import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.media import video
from lrl_keras.media.clip import open_clip
from lrl_keras.media.faces import FaceDetector
from lrl_keras.system import files
from tfrecords.examples import frame_match
from tfrecords.examples.crops import NO_FACE, NOT_DECODED, Found, cut_same, find_faces, take_whole
from tfrecords.examples.group_parts import Job, example, new_report, relative
from tfrecords.examples.masks import difference_mask

REAL_NOT_DECODED = "frame of the real video not decoded"
MASK_NOT_DECODED = "frame of the videos for the mask not decoded"

_SAMPLED = 8


class ClipGroup:
    """The clips of one group: one face detection on the real clip serves them all.

    Of several faces that persist in the real clip, a fake's is the one whose crop it changed
    most, and the real example's the one that its fakes changed most; the largest where there
    is no fake to tell, or none that differs.

    Args:
        clips: the clips of one group.
        root: the dataset's folder.
        settings: `tfrecords.examples.group_parts.GroupSettings`.
    """

    def __init__(self, clips, root, settings):
        self.root = str(root)
        self.settings = settings
        self.detector = FaceDetector()
        self._cropped = clips[0].cropped
        self._opened = {}
        self._found = {}
        self._changes = {}
        self._mask_reals = {}
        self.jobs = [self._job(clip) for clip in clips]

    def examples(self, job):
        """Make the examples of one of `jobs`, and the report that goes into the manifest.

        Returns:
            (list of `Example`, `lrl_keras.data.clip_report.ClipReport`).
        """
        report = new_report(job.clip, frames=job.count, unusable=job.unusable)
        if job.unusable:
            return [], report
        if job.stated > job.count:
            report.stated_frames = job.stated
        try:
            examples, faces, problems, unpaired = self._examples(job)
        except InputError as error:
            report.unusable = relative(error, self.root)
            return [], report
        report.drop(problems)
        if not examples:
            report.unusable = "no usable frame"
        elif job.clip.label and not unpaired:
            pair = job.clip.mask_pair
            report.mask_from = pair.compression if pair else job.clip.compression
        if len(faces.found.tracks) > 1:
            report.faces, report.face = len(faces.found.tracks), faces.chosen
        report.kept = [example.frame for example in examples]
        report.unpaired = unpaired
        return examples, report

    def _job(self, clip):
        try:
            opened = self._open(clip.path)
        except InputError as error:
            return _Job(clip, unusable=relative(error, self.root))
        shortest, unpaired = opened.count, clip.unpaired
        if clip.real is not None:
            try:
                shortest = min(self._open(path).count for path in clip.files)
            except InputError as error:
                unpaired = relative(error, self.root)
        count = opened.count if unpaired else shortest
        indices = tuple(video.evenly_spaced(count, self.settings.frames_per_video))
        return _Job(clip, opened.count, opened.stated, indices, unpaired)

    def _examples(self, job):
        """Make (examples, `_Faces`, reasons by dropped index, why it is unpaired)."""
        unpaired = job.unpaired
        if job.clip.label and not unpaired:
            try:
                return *self._paired(job), None
            except InputError as error:
                unpaired = relative(error, self.root)
        if job.clip.label:
            indices = video.evenly_spaced(job.count, self.settings.frames_per_video)
            faces = _Faces(self._find(job.clip.path, indices), 0)
        else:
            indices = job.indices
            faces = _Faces(self._faces_of(job.clip.path), self._most_changed(job.clip.path))
        crops = faces.crops
        examples = [
            example(job.clip, index, crops[index].box, crops[index].image, None, not unpaired)
            for index in indices
            if index in crops
        ]
        problems = {index: faces.found.why_not(index) for index in indices if index not in crops}
        return examples, faces, problems, unpaired

    def _paired(self, job):
        """Crop a fake as its real clip is: (examples, `_Faces`, reasons by dropped index)."""
        found = self._faces_of(job.clip.real)
        if not found.decoded:
            raise InputError(f"{job.clip.real}: no frame of it can be decoded")
        faces = _Faces(found, self._face_of(job))
        crops = faces.crops
        images = self._cut(job.clip.path, crops, job.indices)
        pair = job.clip.mask_pair
        mask_fakes = self._cut(pair.fake, crops, job.indices) if pair else images
        if pair:
            mask_reals = self._mask_real(pair.real, faces)
        else:
            mask_reals = {index: crop.image for index, crop in crops.items()}
        masks, dropped = {}, {}
        for index in job.indices:
            if index not in crops:
                missing = found.why_not(index) == NOT_DECODED
                dropped[index] = REAL_NOT_DECODED if missing else NO_FACE
            elif index not in images:
                dropped[index] = NOT_DECODED
            elif index not in mask_fakes or index not in mask_reals:
                dropped[index] = MASK_NOT_DECODED
            else:
                masks[index] = difference_mask(mask_fakes[index], mask_reals[index])
        if not self._are_same_frames(job, masks, crops):
            changed = frame_match.border_changed(masks, crops)
            raise InputError(
                f"{job.clip.real}: its frames are not those of the fake, {changed:.0%} of the "
                "crops' borders differ"
            )
        examples = [
            example(job.clip, index, crops[index].box, images[index], mask, True)
            for index, mask in masks.items()
        ]
        return examples, faces, dropped

    def _face_of(self, job):
        """Find the number of the track that a fake was made on."""
        if len(self._faces_of(job.clip.real).tracks) == 1:
            return 0
        changes = self._changes_of(job)
        return int(changes.argmax()) if changes.any() else self._most_changed(job.clip.real)

    def _most_changed(self, path):
        """Find the number of a real clip's track that the fakes made from it changed most."""
        if len(self._faces_of(path).tracks) == 1:
            return 0
        jobs = [job for job in self.jobs if job.clip.real == path and not job.unpaired]
        return int(sum(map(self._changes_of, jobs), np.zeros(1)).argmax())

    def _changes_of(self, job):
        """Measure the part of each track's crop that a fake changed, over some of its frames."""
        if job not in self._changes:
            tracks = self._faces_of(job.clip.real).tracks
            pair = job.clip.mask_pair
            paths = (pair.fake, pair.real) if pair else (job.clip.path, job.clip.real)
            sampled = [job.indices[i] for i in video.evenly_spaced(len(job.indices), _SAMPLED)]
            try:
                fakes, reals = (self._cut_tracks(path, tracks, sampled) for path in paths)
            except InputError:
                self._changes[job] = np.zeros(len(tracks))
            else:
                self._changes[job] = frame_match.changes(tracks, fakes, reals)
        return self._changes[job]

    def _are_same_frames(self, job, masks, crops):
        """Tell whether a fake's frames are those of its real clip.

        Of several faces one that fits is enough: at another moment all would have moved.
        """
        if frame_match.fits(masks, crops):
            return True
        several = len(self._faces_of(job.clip.real).tracks) > 1
        return several and bool(self._changes_of(job).any())

    def _faces_of(self, path):
        """Find the faces of a real clip at every frame that a clip of the group needs."""
        if path not in self._found:
            indices = {
                index
                for job in self.jobs
                if not job.unpaired and path in (job.clip.path, job.clip.real)
                for index in job.indices
            }
            self._found[path] = self._find(path, sorted(indices))
        return self._found[path]

    def _mask_real(self, path, faces):
        key = path, faces.chosen
        if key not in self._mask_reals:
            self._mask_reals[key] = self._cut(path, faces.crops, sorted(faces.crops))
        return self._mask_reals[key]

    def _find(self, path, indices):
        clip, size = self._open(path), self.settings.image_size
        if self._cropped:
            return take_whole(clip, indices, size)
        return find_faces(clip, indices, self.detector, self.settings.margin, size)

    def _cut(self, path, crops, indices):
        return self._cut_tracks(path, (crops,), indices)[0]

    def _cut_tracks(self, path, tracks, indices):
        return cut_same(self._open(path), tracks, sorted(indices), self.settings.image_size)

    def _open(self, path):
        if path not in self._opened:
            self._opened[path] = open_clip(files.join(self.root, path))
        return self._opened[path]


@dataclasses.dataclass(frozen=True)
class _Faces:
    """The faces of a clip, and the number of the track that is taken."""

    found: Found
    chosen: int

    @property
    def crops(self):
        return self.found.tracks[self.chosen]


@dataclasses.dataclass(frozen=True)
class _Job(Job):
    count: int = 0
    stated: int = 0
    indices: tuple[int, ...] = ()
    unpaired: str | None = None
    unusable: str | None = None
