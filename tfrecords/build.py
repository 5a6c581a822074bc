"""Prepare a dataset: videos in, shards and their manifest out."""

import dataclasses
import functools
import os
import sys
from importlib import metadata
from pathlib import Path

from tqdm import tqdm

import lrl_keras
from lrl_keras.data import manifest as manifests
from lrl_keras.errors import InputError
from lrl_keras.faces import Detector
from tfrecords import resume
from tfrecords.groups import Group, Settings
from tfrecords.plan import plan_shards, size_of_videos
from tfrecords.shards import write_shard
from tfrecords.sources import SOURCES
from tfrecords.workers import run

MASKS = ("best", "same")

_BAR = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}]"
_PACKAGES = ("tensorflow", "keras", "av", "mtcnn", "pillow", "numpy")


def prepare(
    source,
    root,
    out,
    *,
    compression="c23",
    methods=None,
    frames_per_video=50,
    image_size=299,
    margin=1.3,
    mask_from="best",
    workers=None,
    overwrite=False,
    progress=True,
):
    """Turn a dataset of videos into training records.

    The face is found on the real video and cropped from its fakes with the same box at the same
    frame; the mask is their difference (Sec. 3.3). A fake whose real video is missing or does
    not fit is kept without a mask. Every frame and video that cannot be used is named in the
    manifest with the reason.

    Interrupted and called again, it goes on where it was; finished shards whose checksum holds
    are kept. The same arguments give the same bytes, with any number of workers.

    Args:
        source: name of the dataset, one of `tfrecords.sources.SOURCES`.
        root: folder of the dataset in its official layout.
        out: folder for the records; made where it does not exist.
        compression: `"raw"`, `"c23"` (default) or `"c40"`.
        methods: the manipulations to take. Defaults to the source's own (for `faceforensics`
            Deepfakes, Face2Face, FaceSwap and NeuralTextures).
        frames_per_video: frames taken of each clip, evenly spaced. Defaults to 50.
        image_size: side of the stored crops in pixels. Defaults to 299.
        margin: side of the crop over the longer side of the face, 1 to 3. Defaults to 1.3.
        mask_from: `"best"` (default): masks from the least compressed version on disk;
            `"same"`: from `compression`.
        workers: number of processes. Defaults to the number of processor cores.
        overwrite: remove records in `out` that were made otherwise, instead of refusing.
        progress: show a progress bar on standard error.

    Returns:
        the manifest, a dict as `lrl_keras.data.manifest.read` returns it.

    Raises:
        InputError: a wrong argument, no such dataset in `root`, other records in `out`, nothing
            usable, or a worker that died; one line that says what to do.
    """
    module = _choose(source, SOURCES, "source")
    methods = tuple(module.METHODS if methods is None else methods)
    _check(module, compression, methods, frames_per_video, image_size, margin, mask_from, workers)
    root, out = Path(root), Path(out)
    settings = Settings(frames_per_video, image_size, float(margin))
    about = {
        "source": source,
        "arguments": {
            "compression": compression,
            "methods": list(methods),
            "frames_per_video": frames_per_video,
            "image_size": image_size,
            "margin": float(margin),
            "mask_from": mask_from,
            "detector": {"name": "mtcnn", **dataclasses.asdict(Detector())},
        },
        "versions": versions(),
    }
    listing = module.find(root, compression=compression, methods=methods, mask_from=mask_from)
    shards = plan_shards(listing.clips, root, settings, about)
    fingerprints = {shard.name: shard.fingerprint for shard in shards}
    identity = {**about, "fingerprints": fingerprints}

    _make_folder(out)
    manifest = resume.finished(out, identity)
    if manifest is not None:
        return manifest
    with resume.locked(out):
        resume.begin(out, identity, overwrite)
        reports = resume.kept_reports(out, identity)
        missing = [shard for shard in shards if shard.name not in reports]
        # The longest first, so that no worker is left alone with it at the end.
        missing.sort(key=lambda shard: -size_of_videos(shard, root))
        function = functools.partial(
            write_shard,
            root=root,
            out=out,
            settings=settings,
            group_type=getattr(module, "Group", Group),
        )
        reports |= _run(function, missing, shards, workers or _cores(), progress)
        reports = [reports[shard.name] for shard in shards]
        clips = [clip for report in reports for clip in report.pop("clips")]
        if not any(report["examples"] for report in reports):
            resume.clear(out)
            raise InputError(_nothing(root, clips))
        counts = _counts(listing, clips)
        resume.complete(out, {**about, "counts": counts, "clips": clips, "shards": reports})
    _warn_of_empty_splits(reports)
    return manifests.read(out)


def versions():
    """Versions of the packages that the records' bytes depend on, by name."""
    return {
        "lrl_keras": lrl_keras.__version__,
        **{package: metadata.version(package) for package in _PACKAGES},
    }


def _choose(value, allowed, name):
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(allowed)}. Received: {value!r}")
    return allowed[value] if isinstance(allowed, dict) else value


def _check(module, compression, methods, frames, size, margin, mask_from, workers):
    _choose(compression, module.COMPRESSIONS, "compression")
    _choose(mask_from, MASKS, "mask_from")
    if not methods or len(set(methods)) < len(methods):
        raise InputError(f"methods must be one or more, each once. Received: {methods}")
    for method in methods:
        _choose(method, module.ALL_METHODS, "methods")
    for name, value, least, most in (
        ("frames_per_video", frames, 1, 100_000),
        ("image_size", size, 16, 4096),
        ("workers", 1 if workers is None else workers, 1, 4096),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InputError(
                f"{name} must be a whole number from {least} to {most}. Received: {value!r}"
            )
    if not isinstance(margin, int | float) or not 1 <= margin <= 3:
        raise InputError(f"margin must be a number from 1 to 3. Received: {margin!r}")


def _make_folder(out):
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{out}: no folder and cannot be made one ({error.strerror}); choose another"
        ) from None


def _run(function, missing, shards, count, progress):
    """Reports of the shards of `missing` by name, with a progress bar over the clips of all."""
    total = sum(len(shard.clips) for shard in shards)
    done = total - sum(len(shard.clips) for shard in missing)
    reports = {}
    with tqdm(
        total=total,
        initial=done,
        unit="clip",
        bar_format=_BAR,
        file=sys.stderr,
        disable=not progress,
    ) as bar:
        for shard, note, report in run(function, missing, count):
            if note is None:
                reports[shard.name] = report
            elif note[1]:
                bar.update()
    return reports


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _counts(listing, clips):
    """What was listed and what became of it, by split, kind and method."""
    counts = {}
    for (split, label, method), listed in listing.listed.items():
        mine = [clip for clip in clips if (clip["split"], clip["method"]) == (split, method)]
        kind = counts.setdefault(split, {}).setdefault("fake" if label else "real", {})
        kind[method] = {
            "listed_videos": listed,
            "missing_videos": listed - len(mine),
            "unusable_videos": sum(clip["unusable"] is not None for clip in mine),
            "unpaired_videos": sum(clip["unpaired"] is not None for clip in mine),
            "examples": sum(len(clip["kept"]) for clip in mine),
            "dropped_frames": sum(len(v) for clip in mine for v in clip["dropped"].values()),
        }
    return counts


def _nothing(root, clips):
    first = next(clip for clip in clips if clip["unusable"])
    reason = "; ".join(first["dropped"]) or first["unusable"]
    return (
        f"{root}: no usable frame in {len(clips)} videos, the first one, {first['path']}: {reason}"
    )


def _warn_of_empty_splits(shards):
    for split in manifests.SPLITS:
        if not any(shard["examples"] for shard in shards if shard["split"] == split):
            print(f"warning: the split {split!r} has no examples", file=sys.stderr)
