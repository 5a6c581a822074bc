"""Write one shard: the only unit of work, for a local process or a cluster alike."""

import dataclasses
import json

import tensorflow as tf

from lrl_keras.data.schema import encode
from lrl_keras.errors import InputError, UnreachableError
from lrl_keras.system import files
from tfrecords.clips import Clip
from tfrecords.examples.clip_group import ClipGroup

PARTS = ".parts"


@dataclasses.dataclass(frozen=True)
class Shard:
    """A fixed list of clips that becomes one TFRecord file.

    Attributes:
        name: the file's name.
        split: `"train"`, `"val"` or `"test"`.
        clips: the clips; those of one group stand together.
        fingerprint: SHA-256 of all that the file's bytes depend on.
    """

    name: str
    split: str
    clips: tuple[Clip, ...]
    fingerprint: str


def write_shard(shard, on_clip=None, *, root, out, settings, group_type=ClipGroup):
    """Write a shard's TFRecord file and, beside it, the report that the manifest is made of.

    Both are written under a temporary name, synced and renamed, the report last: a shard with a
    report is finished. It needs nothing but its arguments, so that any process can run it.

    Args:
        shard: a `Shard`.
        on_clip: called with (path, finished) when a clip is begun and when it is finished.
        root: the dataset's folder.
        out: the records' folder.
        settings: `tfrecords.examples.group_parts.GroupSettings`.
        group_type: what turns the clips of one group into examples. Defaults to
            `tfrecords.examples.clip_group.ClipGroup`.

    Returns:
        the report, a dict: `name`, `split`, `fingerprint`, `examples`, `labels`, `sha256` and
        `clips`.

    Raises:
        InputError: `out` cannot be written, or `root` cannot be reached any more.
    """
    files.require(root)
    files.require(out)
    try:
        on_clip = on_clip or (lambda path, finished: None)
        return _write_shard(shard, on_clip, root, out, settings, group_type)
    except UnreachableError as error:
        raise InputError(f"{error}; run the same command again") from None
    except (OSError, tf.errors.OpError) as error:
        reason = str(getattr(error, "strerror", None) or getattr(error, "message", error))
        raise InputError(
            f"{files.join(out, shard.name)}: cannot be written ({' '.join(reason.split())}); "
            "free space or choose another folder, then run the same command again"
        ) from None


def read_report(out, name):
    """Read the report of a finished shard, `None` where there is none."""
    try:
        return json.loads(files.read_bytes(report_path(out, name)))
    except (OSError, ValueError):
        return None


def report_path(out, name):
    """Build the path of a shard's report while its run is not complete."""
    return files.join(out, PARTS, f"{name}.json")


def _write_shard(shard, on_clip, root, out, settings, group_type):
    path, parts = files.join(out, shard.name), files.join(out, PARTS)
    labels, clips = {"0": 0, "1": 0}, []
    with files.replacing(path, scratch=parts) as temporary:
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for group in _groups(shard.clips, root, settings, group_type):
                for job in group.jobs:
                    on_clip(job.clip.path, False)
                    examples, report = group.examples(job)
                    for example in examples:
                        writer.write(encode(example))
                    labels[str(job.clip.label)] += len(examples)
                    report.shard = shard.name
                    clips.append(report.content())
                    on_clip(job.clip.path, True)
        digest = files.sha256(temporary)
    report = {
        "name": shard.name,
        "split": shard.split,
        "fingerprint": shard.fingerprint,
        "examples": sum(labels.values()),
        "labels": labels,
        "sha256": digest,
        "clips": clips,
    }
    files.write_text(report_path(out, shard.name), json.dumps(report))
    return report


def _groups(clips, root, settings, group_type):
    """Yield the clips' groups, in order, one at a time."""
    for name in dict.fromkeys(clip.group for clip in clips):
        yield group_type([clip for clip in clips if clip.group == name], root, settings)
