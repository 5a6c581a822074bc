"""Measure the preparation of a dataset: its rate, the time of each step, memory."""

import contextlib
import cProfile
import dataclasses
import functools
import os
import pstats
import resource
import sys
import tempfile
import time

import numpy as np
from tqdm import tqdm

from lrl_keras.data import schema
from lrl_keras.errors import InputError
from lrl_keras.media import faces, video
from lrl_keras.system import files
from lrl_keras.system import options as source_options
from lrl_keras.system.hardware import cores
from tfrecords.build import OPTIONS, find
from tfrecords.examples import masks
from tfrecords.examples.clip_group import ClipGroup
from tfrecords.runners.local import run
from tfrecords.sources import SOURCES
from tfrecords.writing.plan import plan_shards, size_of_clips
from tfrecords.writing.shards import PARTS, Shard, write_shard
from tfrecords.writing.versions import versions

# None of them calls another.
_STEPS = {
    "read packets": video.Video.__init__,
    "decode": video._Decoder.decode,
    "to RGB": video._to_rgb,
    "find faces": faces.FaceDetector.__call__,
    "crop and resize": faces.cut,
    "mask": masks.difference_mask,
    "encode PNG": schema.encode_png,
    "checksum": files.sha256,
    "sync": files._sync,
}


def measure(source, root, *, workers=(1, 2), clips=70, progress=True, **options):
    """Measure the preparation of a dataset.

    Args:
        source, root, **options: as for `tfrecords.build.prepare`.
        workers: numbers of processes to measure with.
        clips: clips to prepare with each number; the dataset is repeated as often as it takes.
        progress: show a progress bar on standard error.

    Returns:
        dict: `runs` with `workers`, `clips`, `records`, `seconds`, `records_per_second` and
        `memory_mb` (of the largest worker after each tenth of its clips); `steps`, milliseconds a
        record of one worker under a profiler; `arguments`, `versions` and `cores`.

    Raises:
        InputError: as `prepare` does.
    """
    module = SOURCES[source]
    chosen = source_options.complete({**OPTIONS, **module.OPTIONS}, options)
    settings, listing = find(module, root, chosen)
    shards = plan_shards(listing.clips, root, settings, None)
    shards.sort(key=lambda shard: -size_of_clips(shard, root))
    repeats = -(-clips // len(listing.clips))
    with tempfile.TemporaryDirectory() as out:
        files.make_folder(files.join(out, PARTS))
        function = functools.partial(
            _work,
            root=root,
            out=out,
            settings=settings,
            group_type=getattr(module, "Group", ClipGroup),
        )
        tasks = [_Task(f"{number}-{shard.name}", shard)
                 for number in range(repeats) for shard in shards]  # fmt: skip
        runs = [_measure_run(function, tasks, count, progress) for count in workers]
        profiled = [_Task(shard.name, shard, profiled=True) for shard in shards]
        steps = _steps([result for _, _, result in _results(function, profiled, 1, False)])
    return {
        "source": source,
        "arguments": chosen,
        "cores": cores(),
        "versions": versions(),
        "runs": runs,
        "steps": steps,
    }


@dataclasses.dataclass(frozen=True)
class _Task:
    name: str
    shard: Shard | None = None
    profiled: bool = False


@dataclasses.dataclass(frozen=True)
class _Result:
    process: int
    started: float
    ended: float
    clips: int
    records: int
    memory_mb: float
    steps: dict[str, float]


def _work(task, notify, *, root, out, settings, group_type):
    """Run in a worker: load the detector, or write a shard and time it."""
    if task.shard is None:
        faces.FaceDetector()([np.zeros((480, 640, 3), np.uint8)] * 8)
        return None
    profile = cProfile.Profile() if task.profiled else contextlib.nullcontext()
    # The clock is that of the machine, the same in all processes.
    started = time.monotonic()
    with profile:
        report = write_shard(
            dataclasses.replace(task.shard, name=f"{task.name}.tfrecord"),
            root=root,
            out=out,
            settings=settings,
            group_type=group_type,
        )
    ended = time.monotonic()
    files.remove(files.join(out, report["name"]))
    steps = _times(profile) if task.profiled else {}
    return _Result(
        os.getpid(),
        started,
        ended,
        len(task.shard.clips),
        report["examples"],
        _memory_mb(),
        {**steps, "all": ended - started},
    )


def _results(function, tasks, workers, progress):
    """Yield the `_Result` of each task; the face detector is loaded before the first one."""
    warm = [_Task(f"warm {number}") for number in range(workers)]
    clips = sum(len(task.shard.clips) for task in tasks)
    with tqdm(total=clips, unit="clip", file=sys.stderr, disable=not progress) as bar:
        for task, note, result in run(function, [*warm, *tasks], workers):
            if note is None and result is not None:
                bar.update(result.clips)
                yield task, note, result


def _measure_run(function, tasks, workers, progress):
    results = [result for _, _, result in _results(function, tasks, workers, progress)]
    seconds = max(r.ended for r in results) - min(r.started for r in results)
    records = sum(result.records for result in results)
    if not records:
        raise InputError("no usable frame in these clips; `lrl-keras prepare` says why")
    return {
        "workers": workers,
        "clips": sum(result.clips for result in results),
        "records": records,
        "seconds": seconds,
        "records_per_second": records / seconds,
        "memory_mb": _memory_by_tenths(results),
    }


def _memory_by_tenths(results):
    """Tell the memory of the worker with most at its end, after each tenth of its clips."""
    last = {result.process: result.memory_mb for result in results}
    largest = max(last, key=lambda process: last[process])
    mine = [result for result in results if result.process == largest]
    done = np.cumsum([result.clips for result in mine])
    places = np.searchsorted(done, done[-1] * np.arange(1, 11) / 10)
    return [mine[place].memory_mb for place in places]


def _memory_mb():
    """Measure this process's memory; where the system does not say, the most it ever held."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _times(profile):
    """Return the seconds of each step."""
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    cumulative = {place[:2]: times[3] for place, times in stats.items()}
    codes = {step: function.__code__ for step, function in _STEPS.items()}
    return {
        step: cumulative.get((code.co_filename, code.co_firstlineno), 0.0)
        for step, code in codes.items()
    }


def _steps(results):
    records = max(sum(result.records for result in results), 1)
    total = {name: sum(result.steps[name] for result in results) for name in results[0].steps}
    total["the rest"] = total.pop("all") - sum(total.values()) + 0.0
    return {name: 1000 * seconds / records for name, seconds in total.items()}
