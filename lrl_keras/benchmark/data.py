"""Speed at which training is fed."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import skimage.data
import skimage.draw
import tensorflow as tf

from lrl_keras import data
from lrl_keras.data import Records, manifest, schema
from lrl_keras.data.augment.choices import AUGMENTATIONS
from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.system import files
from lrl_keras.system.hardware import this_machine

if TYPE_CHECKING:
    from lrl_keras.data import Records

_PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
_CROPS_OF_EACH = 128
_SIZE = 299


def benchmark_data(
    records: str | os.PathLike[str] | Records | None = None,
    *,
    split: str = "train",
    batch_size: int = 32,
    image_size: int | None = None,
    augment: Sequence[str] = tuple(AUGMENTATIONS),
    cache: bool = False,
    seconds: float = 2.0,
    warmup: float = 1.0,
    repeats: int = 5,
) -> dict[str, Any]:
    """Measure the images a second that `lrl_keras.data.load` delivers.

    Batches are taken as fast as they come and thrown away, epoch after epoch. The pipelines take
    turns, so that a machine that is busy for a while is slow for all of them; each turn begins
    with a warm-up that does not count.

    Args:
        records: folder of records. Without one 512 crops of photographs that ship with
            scikit-image are written to a temporary folder. They take more or fewer bytes than
            crops of videos (`bytes_per_example` of the result), and decoding takes longer the
            more there are.
        split: `"train"`, `"val"` or `"test"`, shuffled and balanced as `load` does.
        batch_size: examples a batch.
        image_size: side of the images in pixels; default: the records' own, 299 without records.
        augment: which of `lrl_keras.data.augment.AUGMENTATIONS` are measured; default: all.
        cache: measure each of them with the decoded examples in memory too.
        seconds: length of a turn.
        warmup: seconds before each turn that do not count.
        repeats: turns of each pipeline.

    Returns:
        dict that can be written as JSON: `pipelines`, a dict of name to `images_per_second` (the
        median of all turns), `least` and `most` of them, `processor_ms_per_image` (the median of
        the processor time of the whole process, which says more on a busy machine), and `turns`;
        `records`, `split`, `batch_size`, `image_size`, `examples` (an epoch),
        `bytes_per_example` (on disk), `seconds`, `repeats`; and `machine`.

    Raises:
        InputError: records missing, damaged or too few for a batch, an argument out of range, or
            too little memory for the cache.
    """
    if repeats < 1:
        raise InputError(f"repeats must be at least 1. Received: {repeats}")
    if not augment:
        raise InputError(f"augment must name some of {', '.join(AUGMENTATIONS)}. Received: none")
    with contextlib.ExitStack() as stack:
        name = str(records)
        if records is None:
            records = stack.enter_context(tempfile.TemporaryDirectory(prefix="lrl_keras_"))
            name = f"{_write_crops(records, image_size or _SIZE)} crops of photographs"
        options: dict[str, Any] = {"image_size": image_size, "drop_remainder": True}
        pipelines = {
            f"{change}, cached" if cached else change: data.load(
                records, split, batch_size, augment=change, cache=cached, **options
            )
            for cached in ((False, True) if cache else (False,))
            for change in augment
        }
        machine = this_machine()
        turns = {pipeline: [] for pipeline in pipelines}
        for _ in range(repeats):
            for pipeline, dataset in pipelines.items():
                turns[pipeline].append(_turn(dataset, batch_size, seconds, warmup))
        dataset = next(iter(pipelines.values()))
        return {
            "records": name,
            "split": split,
            "batch_size": batch_size,
            "image_size": dataset.element_spec[0].shape[1],
            "examples": int(dataset.cardinality()) * batch_size,
            "bytes_per_example": _bytes_per_example(records, split),
            "seconds": seconds,
            "repeats": repeats,
            "pipelines": {pipeline: _summary(found) for pipeline, found in turns.items()},
            "machine": machine,
        }


def _turn(dataset, batch_size, seconds, warmup):
    """Return images a second, and milliseconds of processor time an image."""
    batches = iter(dataset.repeat())
    _take(batches, warmup)
    begun, used = time.perf_counter(), time.process_time()
    count = batch_size * _take(batches, seconds)
    return count / (time.perf_counter() - begun), 1000 * (time.process_time() - used) / count


def _take(batches, seconds):
    """Return the number of batches that came in the given time, at least 1."""
    end = time.perf_counter() + seconds
    for count, _ in enumerate(batches, 1):
        if time.perf_counter() >= end:
            return count


def _summary(turns):
    rates, used = np.array(turns).T
    return {
        "images_per_second": round(float(np.median(rates)), 1),
        "least": round(float(rates.min()), 1),
        "most": round(float(rates.max()), 1),
        "processor_ms_per_image": round(float(np.median(used)), 2),
        "turns": [round(float(rate), 1) for rate in rates],
    }


def _bytes_per_example(records, split):
    split = Records.open(records).split(split)
    return round(sum(map(files.size, split.paths)) / sum(shard.examples for shard in split.shards))


def _write_crops(folder, side):
    """Write records of crops of photographs, a shard each, and return their number.

    Every second crop is called forged and has an ellipse as its mask.
    """
    shards = []
    for number, photograph in enumerate(_PHOTOGRAPHS):
        name = f"train-{number:05d}-of-{len(_PHOTOGRAPHS):05d}.tfrecord"
        path = os.path.join(folder, name)
        with tf.io.TFRecordWriter(path) as writer:
            for example in _crops(photograph, side):
                writer.write(schema.encode(example))
        half = _CROPS_OF_EACH // 2
        shards.append(
            {
                "name": name,
                "split": "train",
                "examples": 2 * half,
                "labels": {"0": half, "1": half},
                "sha256": files.sha256(path),
            }
        )
    arguments = {"image_size": side, "margin": 1.3}
    empty = {"versions": {}, "counts": {}, "clips": []}
    about = {"source": "photographs", "arguments": arguments, **empty}
    manifest.write(folder, {**about, "shards": shards})
    return len(shards) * 2 * half


def _crops(name, side):
    photograph = getattr(skimage.data, name)()
    height, width = photograph.shape[:2]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    for index in range(_CROPS_OF_EACH):
        cut = int(rng.integers(min(height, width) // 2, min(height, width)))
        y, x = int(rng.integers(height - cut)), int(rng.integers(width - cut))
        image = images.resize(photograph[y : y + cut, x : x + cut], side).numpy()
        forged = index % 2
        mask = np.zeros((side, side), np.uint8)
        row, column = rng.uniform(0.4, 0.6, 2) * side
        mask[skimage.draw.ellipse(row, column, side / 4, side / 3)] = 1
        yield schema.Example(
            image=image,
            mask=mask if forged else None,
            has_mask=True,
            label=forged,
            dataset="photographs",
            method="ellipse" if forged else "real",
            compression="none",
            video=name,
            frame=index,
            box=(x, y, x + cut, y + cut),
        )
