"""The division of clips into shards, and fingerprints of all that a shard's bytes depend on."""

import dataclasses
import hashlib
import json
import math

from lrl_keras.data.manifest import SPLITS
from lrl_keras.data.schema import SCHEMA_VERSION
from lrl_keras.system import files
from tfrecords.writing.shards import Shard

_SHARD_BYTES = 150e6
_PNG_BYTES_PER_PIXEL = 1.2
_MIN_SHARDS = 16


def plan_shards(clips, root, settings, about):
    """Divide clips into shards, the same way on every machine.

    A shard holds whole groups: about 150 MB of them, fewer where the whole set would make less
    than 16 shards, so that several workers have work.

    Args:
        clips: list of `Clip`.
        root: the dataset's folder.
        settings: `tfrecords.examples.group_parts.GroupSettings`.
        about: JSON-able; what else the bytes depend on.

    Returns:
        list of `Shard`, by split.
    """
    groups = {}
    for clip in clips:
        groups.setdefault((clip.split, clip.group), []).append(clip)
    most = settings.frames_per_video
    frames = sum(most if clip.frames is None else min(clip.frames, most) for clip in clips)
    group_bytes = frames / len(groups) * _PNG_BYTES_PER_PIXEL * settings.image_size**2
    per_shard = min(_SHARD_BYTES / group_bytes, math.ceil(len(groups) / _MIN_SHARDS))
    shards = []
    for split in SPLITS:
        members = [group for (where, _), group in groups.items() if where == split]
        count = math.ceil(len(members) / max(per_shard, 1))
        for i in range(count):
            start, stop = i * len(members) // count, (i + 1) * len(members) // count
            chosen = tuple(clip for group in members[start:stop] for clip in group)
            name = f"{split}-{i:05d}-of-{count:05d}.tfrecord"
            shards.append(Shard(name, split, chosen, fingerprint(chosen, root, about)))
    return shards


def size_of_clips(shard, root):
    """Sum up the bytes of all that a shard is made from."""
    return sum(_size(root, path) for path in _files(shard.clips))


def fingerprint(clips, root, about):
    """Hash all that tells a shard of these clips from any other, or from one of changed files.

    Args:
        clips, root, about: as for `plan_shards`.

    Returns:
        hexadecimal SHA-256.
    """
    sizes = {path: _size(root, path) for path in _files(clips)}
    content = [SCHEMA_VERSION, about, [dataclasses.asdict(clip) for clip in clips], sizes]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(clips):
    return sorted({path for clip in clips for path in clip.files})


def _size(root, path):
    path = files.join(root, path)
    if not files.is_folder(path):
        try:
            return files.size(path)
        except FileNotFoundError:  # a link that leads nowhere, named when the clip is read
            return -1
    return sum(files.size(files.join(path, name)) for name in files.walk(path))
