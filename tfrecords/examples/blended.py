"""The images and videos of one identity become real and forged examples."""

import dataclasses
import zlib

import numpy as np

from lrl_keras.data import blending
from lrl_keras.data.blending.region import face_axes, pose_distance
from lrl_keras.errors import InputError
from lrl_keras.media import video
from lrl_keras.media.clip import open_clip
from lrl_keras.media.faces import FaceDetector, crop_box
from lrl_keras.system import files
from tfrecords.clips import Clip
from tfrecords.examples.crops import find_faces
from tfrecords.examples.group_parts import Job, example, new_report, relative

REAL = "real"
NO_REGION = "face seen from the side"
NOTHING_FORGED = "region of the forgery is empty"

_DONOR_FRAMES = 4


@dataclasses.dataclass(frozen=True)
class FaceClip(Clip):
    """A clip of a real face, or one forged of it.

    Attributes:
        seed: of all that is drawn.
        copy: number of the forgery by this method, from 1.
        view: number of the crop of each face: 0 as a detector cuts it, from 1 random ones.
        fresh: whether its faces are stored with room around them, for training to forge.
        donors: paths of the files whose face may be swapped in.
    """

    seed: int = 0
    copy: int = 0
    view: int = 0
    fresh: bool = False
    donors: tuple[str, ...] = ()

    @property
    def files(self):
        """Paths of all that the clip's examples are made from."""
        return (self.path, *self.donors)


class BlendedGroup:
    """The clips of one identity.

    A face is cut out and resized to the network's input as in any dataset, and forged after
    that. The clips of one file, real and forged, are made of the same crops, each left as it is
    or retouched as a whole. So they share every step of resampling, and a forgery differs from
    its real example nowhere but where something is blended in.

    Args:
        clips: the clips of one identity, those of one file together.
        root: the dataset's folder.
        settings: `tfrecords.examples.group_parts.GroupSettings`.
    """

    def __init__(self, clips, root, settings):
        self.root = str(root)
        self.settings = settings
        self.detector = FaceDetector()
        # Room for random crops; without them, crops come from the frame in one resampling step.
        self._room = blending.ROOM if any(clip.view or clip.fresh for clip in clips) else 1
        self._last = None, None
        self.jobs = [Job(clip) for clip in clips]

    def examples(self, job):
        """Make the examples of one of `jobs`, and the report that goes into the manifest.

        A forgery's mask is where more than half of the blending's full share is blended in.

        Returns:
            (list of `Example`, `lrl_keras.data.clip_report.ClipReport`).
        """
        clip = job.clip
        report = new_report(clip)
        try:
            faces = self._faces_of(clip.path)
            report.frames = faces.count
            if faces.stated > faces.count:
                report.stated_frames = faces.stated
            donor = None
            if clip.donors and faces.found:
                report.donor, donor = self._donor(clip, faces)
            examples, problems = self._make(clip, faces, donor)
        except InputError as error:
            report.unusable = relative(error, self.root)
            return [], report
        report.drop(problems)
        if not examples:
            report.unusable = "no usable frame"
        elif clip.label:
            report.mask_from = "blending"
        report.kept = [made.frame for made in examples]
        return examples, report

    def _faces_of(self, path):
        """Find the faces of a file; they are kept until another one is asked for."""
        if self._last[0] != path:
            self._last = path, self._load(path, self.settings.frames_per_video)
        return self._last[1]

    def _load(self, path, frames):
        settings, opened = self.settings, open_clip(files.join(self.root, path))
        indices = video.evenly_spaced(opened.count, frames)
        margin, size = settings.margin * self._room, round(settings.image_size * self._room)
        found = find_faces(opened, indices, self.detector, margin, size)
        return _Faces(opened.count, opened.stated, *usable_faces(found, indices, settings.margin))

    def _donor(self, clip, faces):
        """Find the donor whose face is held most alike: (path, list of `FaceCrop`)."""
        best = None
        for path in clip.donors:
            try:
                donor = list(self._load(path, _DONOR_FRAMES).found.values())
            except InputError:
                continue
            if not donor:
                continue
            distance = float(np.mean([_nearest(face, donor)[0] for face in faces.found.values()]))
            if best is None or distance < best[0]:
                best = distance, path, donor
        if best is None:
            raise InputError(f"no usable face to swap in, in any of: {', '.join(clip.donors)}")
        return best[1:]

    def _make(self, clip, faces, donor):
        """Make the examples of a clip, and reasons by dropped index."""
        size = self.settings.image_size
        examples, problems = [], dict(faces.problems)
        for index, face in faces.found.items():
            if clip.fresh:
                box = face.in_frame(face.box)
                whole = example(clip, index, box, face.image, None, has_mask=True)
                places = {"landmarks": face.landmarks, "face_box": face.box}
                examples.append(dataclasses.replace(whole, **places))
                continue
            view = _view(face, clip.view, size, generator(clip, "view", clip.view, index))
            target = blending.target(view, generator(clip, "target", clip.view, index))
            image, mask, blend = target.image, None, None
            if clip.label:
                rng = generator(clip, clip.method, clip.copy, clip.view, index)
                other = None
                if donor is not None:
                    other = _view(_nearest(face, donor)[1], clip.view, size, rng)
                image, mask, blend = blending.forge(clip.method, target, other, rng)
                if not mask.any():
                    problems[index] = NOTHING_FORGED
                    continue
            box = face.in_frame(view.box)
            made = example(clip, index, box, image, mask, has_mask=True)
            examples.append(dataclasses.replace(made, blend=blend))
        return examples, problems


@dataclasses.dataclass(frozen=True)
class FaceCrop(blending.Face):
    """A face and the box of its image in the frame."""

    frame_box: tuple[int, int, int, int]

    def in_frame(self, box):
        """Convert a box from pixels of the image to those of the frame."""
        x0, y0, x1, _ = self.frame_box
        scale = (x1 - x0) / len(self.image)
        return tuple(
            round(start + scale * edge) for start, edge in zip((x0, y0) * 2, box, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class _Faces:
    """The faces of a file by index, why others have none, frames that it has and states."""

    count: int
    stated: int
    found: dict[int, FaceCrop]
    problems: dict[int, str]


def usable_faces(found, indices, margin):
    """Choose the crops of the largest face that can be forged.

    Args:
        found: `tfrecords.examples.crops.Found` of a file.
        indices: the wanted frames.
        margin: side of the crop of the face itself over the longer side of the face.

    Returns:
        (faces, problems): `FaceCrop` or reason by index; each index is in one of them.
    """
    faces, problems = {}, {}
    for index in indices:
        crop = found.tracks[0].get(index)
        if crop is None:
            problems[index] = found.why_not(index)
            continue
        x0, y0, x1, _ = crop.box
        scale = len(crop.image) / (x1 - x0)
        landmarks = scale * (np.array(crop.landmarks) - [x0, y0])
        try:
            face_axes(landmarks)
        except InputError:
            problems[index] = NO_REGION
        else:
            height, width = crop.frame_size
            box = scale * (np.array(crop_box(crop.face, height, width, margin)) - [x0, y0] * 2)
            faces[index] = FaceCrop(crop.image, landmarks, tuple(box.tolist()), crop.box)
    return faces, problems


def generator(clip, purpose, *numbers):
    """Make a `numpy.random.Generator` that is the same on every machine.

    Args:
        clip: a `FaceClip`; its seed and path count.
        purpose: str, what is drawn.
        *numbers: ints that tell one draw from another.
    """
    path = clip.path.encode("utf-8", "surrogateescape")
    return np.random.default_rng(
        [clip.seed, zlib.crc32(path), zlib.crc32(purpose.encode()), *numbers]
    )


def _view(face, number, size, rng):
    return blending.random_view(face, size, rng) if number else blending.centred(face, size)


def _nearest(face, donor):
    """Find the donor's face that is held most like `face`: (distance, `FaceCrop`)."""
    distances = [pose_distance(face.landmarks, other.landmarks) for other in donor]
    nearest = int(np.argmin(distances))
    return distances[nearest], donor[nearest]
