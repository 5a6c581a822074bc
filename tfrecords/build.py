"""Prepare a dataset: videos or images in, shards and their manifest out."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from lrl_keras.data.clip_report import ClipReport
from lrl_keras.data.manifest import SPLITS
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError
from lrl_keras.media.faces import FaceDetector
from lrl_keras.system import files
from lrl_keras.system import options as source_options
from lrl_keras.system.hardware import cores
from lrl_keras.system.options import Option
from tfrecords.examples.clip_group import ClipGroup
from tfrecords.examples.group_parts import GroupSettings
from tfrecords.runners.cluster import Cluster
from tfrecords.runners.local import run
from tfrecords.sources import SOURCES
from tfrecords.writing import resume, summary
from tfrecords.writing.plan import plan_shards, size_of_clips
from tfrecords.writing.shards import write_shard
from tfrecords.writing.versions import versions

if TYPE_CHECKING:
    from tfrecords.clips import Listing

_log = logging.getLogger(__name__)
# Options of every source.
OPTIONS = {
    "frames_per_video": Option(50, "frames of each video, evenly spaced", least=1, most=100_000),
    "image_size": Option(299, "side of the crops, pixels", least=16, most=4096),
    "margin": Option(1.3, "side of the crop over that of the face", least=1, most=3),
    "only": Option(SPLITS, "make records of these splits alone", SPLITS),
}

_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}]"


def prepare(
    source: str,
    root: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    runner: str | None = None,
    beam_options: Sequence[str] = (),
    overwrite: bool = False,
    progress: bool = True,
    **options: Any,
) -> Records:
    """Turn a dataset of videos or images into training records.

    The face is found on the real video and cropped from its fakes with the same box at the same
    frame; the mask is their difference (Sec. 3.3). A fake whose real video is missing or does
    not fit is kept without a mask. Every frame and video that cannot be used is named in the
    manifest with the reason.

    Interrupted and called again, it goes on where it was; finished shards whose checksum holds
    are kept. The same arguments give the same bytes, with any number of workers, here or on a
    cluster.

    Args:
        source: name of the dataset, one of `tfrecords.sources.SOURCES`.
        root: folder of the dataset in its official layout, or a URL.
        out: folder or URL for the records; made where it does not exist.
        workers: number of processes. Defaults to the number of processor cores.
        runner: name of an Apache Beam runner to hand the work to, such as `"FlinkRunner"`;
            default: processes of this machine, without Beam. On a cluster `root` and `out` are
            URLs or folders that all workers share.
        beam_options: Beam's own options as on a command line, e.g. `["--direct_num_workers=2"]`.
        overwrite: remove records in `out` that were made otherwise, instead of refusing.
        progress: show a progress bar on standard error.
        **options: those of every source, `OPTIONS`: `frames_per_video` (50), `image_size` (299),
            `margin` (1.3), `only` (the splits, all three); and those of this one,
            `SOURCES[source].OPTIONS`, e.g. `compression` and `methods`.

    Returns:
        the finished `lrl_keras.data.Records`.

    Raises:
        InputError: a wrong argument, no such dataset in `root`, other records in `out`, nothing
            usable, a worker that died or a job that failed; one line that says what to do.
    """
    module = _source(source)
    chosen = source_options.complete({**OPTIONS, **module.OPTIONS}, options)
    if runner is None and beam_options:
        raise InputError(f"{beam_options[0]} is an option of Apache Beam: choose a runner too")
    if runner is not None and workers is not None:
        raise InputError(
            "workers is for this machine alone; Apache Beam has options of its own, such as "
            "--direct_num_workers"
        )
    workers = _WORKERS.check("workers", cores() if workers is None else workers)
    root, out = os.fspath(root), os.fspath(out)
    cluster = None if runner is None else Cluster(runner, beam_options, root, out)
    files.require(root)
    files.require(out)
    about = {
        "source": source,
        "arguments": {
            **{name: _plain(value) for name, value in chosen.items()},
            "detector": {"name": "mtcnn", **dataclasses.asdict(FaceDetector())},
        },
        "versions": versions(),
    }
    settings, listing = find(module, root, chosen)
    for note in listing.notes:
        _log.warning("%s", note)
    shards = plan_shards(listing.clips, root, settings, about)
    fingerprints = {shard.name: shard.fingerprint for shard in shards}
    identity = {**about, "fingerprints": fingerprints}

    files.make_folder(out)
    finished = resume.finished(out, identity, progress)
    if finished is not None:
        return finished
    with resume.locked(out):
        resume.begin(out, identity, overwrite)
        reports = resume.kept_reports(out, identity, progress)
        missing = [shard for shard in shards if shard.name not in reports]
        # The longest first, so that no worker is left alone with it at the end.
        missing.sort(key=lambda shard: -size_of_clips(shard, root))
        function = functools.partial(
            write_shard,
            root=root,
            out=out,
            settings=settings,
            group_type=getattr(module, "Group", ClipGroup),
        )
        with _bar(missing, shards, progress) as bar:
            if cluster is None:
                reports |= _run(function, missing, workers, bar)
            else:
                reports |= cluster.write_shards(
                    function, missing, about, lambda shard: bar.update(len(shard.clips))
                )
        reports = [reports[shard.name] for shard in shards]
        clips = [clip for report in reports for clip in report.pop("clips")]
        told = [ClipReport.of(clip) for clip in clips]
        if not any(clip.kept for clip in told):
            resume.clear(out)
            raise InputError(summary.nothing(root, told))
        found = {"counts": summary.counts(listing, told), "notes": list(listing.notes)}
        resume.complete(out, {**about, **found, "clips": clips, "shards": reports})
    records = Records.open(out)
    for line in summary.warnings(records):
        _log.warning("%s", line)
    return records


def find(
    module: ModuleType, root: str | os.PathLike[str], chosen: dict[str, Any]
) -> tuple[GroupSettings, Listing]:
    """List the clips and settle how they become examples.

    Args:
        module: one of `tfrecords.sources`.
        root: folder of the dataset, or its URL.
        chosen: the values of `OPTIONS` and of the module's own.

    Returns:
        `(GroupSettings, Listing)`.

    Raises:
        InputError: as the source's own `find` does, or no clip of the splits asked for.
    """
    own = {name: chosen[name] for name in module.OPTIONS}
    common = {field.name: chosen[field.name] for field in dataclasses.fields(GroupSettings)}
    listing = module.find(root, **own).only(chosen["only"])
    if not listing.clips:
        raise InputError(f"{root}: no clip of the split {' or '.join(chosen['only'])} is on disk")
    return GroupSettings(**common), listing


_WORKERS = Option(1, "processes", least=1, most=4096)


def _source(name):
    if name not in SOURCES:
        raise InputError(f"source must be one of {', '.join(SOURCES)}. Received: {name!r}")
    return SOURCES[name]


def _plain(value):
    """Give a value the type that it has when it comes back from JSON."""
    return list(value) if isinstance(value, tuple) else value


def _bar(missing, shards, progress):
    """Make a progress bar over the clips of all shards."""
    total = sum(len(shard.clips) for shard in shards)
    return tqdm(
        total=total,
        initial=total - sum(len(shard.clips) for shard in missing),
        unit="clip",
        bar_format=_BAR,
        file=sys.stderr,
        disable=not progress,
    )


def _run(function, missing, workers, bar):
    """Write the shards of `missing`; returns their reports by name."""
    reports = {}
    for shard, note, report in run(function, missing, workers):
        if note is None:
            reports[shard.name] = report
        elif note[1]:
            bar.update()
    return reports
