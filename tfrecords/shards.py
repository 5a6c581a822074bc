"""Write one shard: the only unit of work, for a local process or a cluster alike."""

import dataclasses
import json
import os
from pathlib import Path

import tensorflow as tf

from lrl_keras.data import manifest as manifests
from lrl_keras.data.schema import encode
from lrl_keras.errors import InputError
from tfrecords.clips import Clip
from tfrecords.groups import Group

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


def write_shard(shard, on_clip=None, *, root, out, settings, group_type=Group):
    """Write a shard's TFRecord file and, beside it, the report that the manifest is made of.

    Both are written under a temporary name, synced and renamed, the report last: a shard with a
    report is finished. It needs nothing but its arguments, so that any process can run it.

    Args:
        shard: a `Shard`.
        on_clip: called with (path, finished) when a clip is begun and when it is finished.
        root: the dataset's folder.
        out: the records' folder.
        settings: `tfrecords.groups.Settings`.
        group_type: what turns the clips of one group into examples. Defaults to
            `tfrecords.groups.Group`, for videos.

    Returns:
        the report, a dict: `name`, `split`, `fingerprint`, `examples`, `labels`, `sha256` and
        `clips`.

    Raises:
        InputError: `out` cannot be written.
    """
    try:
        on_clip = on_clip or (lambda path, finished: None)
        return _write_shard(shard, on_clip, root, out, settings, group_type)
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", str(error))
        raise InputError(
            f"{Path(out) / shard.name}: cannot be written ({' '.join(reason.split())}); "
            "free space or choose another folder, then run the same command again"
        ) from None


def read_report(out, name):
    """The report of a finished shard, `None` where there is none."""
    try:
        return json.loads(_report_path(out, name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write_json(path, value):
    """Write `value` to `path` by rename, so that it is there whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _write_shard(shard, on_clip, root, out, settings, group_type):
    path = Path(out) / shard.name
    temporary = _temporary(path)
    labels, clips = {"0": 0, "1": 0}, []
    with tf.io.TFRecordWriter(str(temporary)) as writer:
        for group in _groups(shard.clips, root, settings, group_type):
            for job in group.jobs:
                on_clip(job.clip.path, False)
                examples, report = group.examples(job)
                for example in examples:
                    writer.write(encode(example))
                labels[str(job.clip.label)] += len(examples)
                clips.append({**report, "shard": shard.name})
                on_clip(job.clip.path, True)
    report = {
        "name": shard.name,
        "split": shard.split,
        "fingerprint": shard.fingerprint,
        "examples": sum(labels.values()),
        "labels": labels,
        "sha256": manifests.sha256(temporary),
        "clips": clips,
    }
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)
    write_json(_report_path(out, shard.name), report)
    return report


def _groups(clips, root, settings, group_type):
    """The clips' groups, in order, one at a time."""
    for name in dict.fromkeys(clip.group for clip in clips):
        yield group_type([clip for clip in clips if clip.group == name], root, settings)


def _temporary(path):
    return path.parent / PARTS / f"{path.name}.{os.getpid()}.tmp"


def _report_path(out, name):
    return Path(out) / PARTS / f"{name}.json"


def _sync(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
