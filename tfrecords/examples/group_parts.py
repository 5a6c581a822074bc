"""The parts that all kinds of groups share: settings, jobs, reports and examples of a clip."""

import dataclasses

from lrl_keras.data.clip_report import ClipReport
from lrl_keras.data.schema import Example
from lrl_keras.system import files
from tfrecords.clips import Clip


@dataclasses.dataclass(frozen=True)
class GroupSettings:
    """Options of the way from a clip to examples.

    Attributes:
        frames_per_video: frames taken of a clip, evenly spaced.
        image_size: side of the stored crops in pixels.
        margin: side of the crop over the longer side of the face.
    """

    frames_per_video: int
    image_size: int
    margin: float


@dataclasses.dataclass(frozen=True)
class Job:
    """One clip of a group."""

    clip: Clip


def new_report(clip, **known):
    """Begin the `ClipReport` of a clip, before any example is made of it."""
    names = ("split", "label", "method", "compression", "video", "path", "real")
    return ClipReport(**{name: getattr(clip, name) for name in names}, **known)


def example(clip, index, box, image, mask, has_mask):
    """Make the `Example` of frame `index` of a clip."""
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


def relative(error, root):
    """Take the root out of an error's message, which is then the same wherever the root lies."""
    return str(error).replace(files.join(root, ""), "")
