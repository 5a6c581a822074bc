"""Metrics of models on faces that were degraded after the forgery."""

from __future__ import annotations

import collections
import csv
import itertools
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from tqdm import tqdm

from lrl_keras import data
from lrl_keras.data.records import Records, names_of
from lrl_keras.data.sequences import Scores
from lrl_keras.errors import InputError
from lrl_keras.evaluation import metrics_report
from lrl_keras.media import images
from lrl_keras.media.degradations import DEGRADATIONS, LEVELS, check, degrade, may_stay
from lrl_keras.plots import figures
from lrl_keras.system import files, hardware

if TYPE_CHECKING:
    from lrl_keras.models import Detector

# Batches of one cell that are degraded while another is scored; they bound the memory.
_AHEAD = 3
# Columns that tell a face from others.
_KEY = ("dataset", "method", "video", "frame")


def measure(
    models: Mapping[str, Detector],
    records: str | os.PathLike[str] | Records,
    split: str = "test",
    *,
    methods: Sequence[str] | str | None = None,
    degradations: Sequence[str] | None = None,
    levels: Sequence[int] = LEVELS,
    seed: int = 0,
    batch_size: int = 32,
    out: Mapping[str, str | os.PathLike[str]] | None = None,
    progress: bool = True,
) -> dict[str, dict[str, Any]]:
    """Score every face of a split as it is and under every degradation at every level.

    A face is degraded in the size in which the records hold it, real and forged alike, and then
    resized for each model, as it is without degradation. Chance follows from the seed, the
    degradation, the level and the face's dataset, method, video and frame alone.

    Args:
        models: dict of name to model, each one of `lrl_keras.models.DETECTORS`. A face is
            degraded once for all of them.
        records: folder of finished records, or `lrl_keras.data.Records`.
        split: `"train"`, `"val"`, `"test"`, or `"all"` of them where a model has been trained on
            others. Defaults to `"test"`.
        methods: names of forgery methods; forged faces of others are left out. Default: all.
        degradations: which of `lrl_keras.media.degradations.DEGRADATIONS`. Default: all.
        levels: which of 1 (weak) to 5 (strong). Default: all.
        seed: int from 0. Defaults to `0`.
        batch_size: faces scored at once. Defaults to `32`.
        out: dict of model name to the folder for `robustness.json`, `robustness.csv` and
            `robustness.png`, made where it is missing; `None` writes nothing.
        progress: whether to show a progress bar on standard error.

    Returns:
        dict of model name to a dict with `clean`, `{"overall": metrics, "methods": {method:
        metrics}}` as `lrl_keras.evaluation.evaluate` has them at frame level; `cells`, `{name:
        [cell, ...]}` from weak to strong; and what was measured: `split`, `methods`, `seed`,
        `threshold`, `detector`, `model`, `records`, `manifest_sha256`, `versions`. A cell has
        `level` and `strength`; `changed_pixels`, the mean share of a face's pixels that are no
        longer what they were, and `unchanged_faces`, the number of those without any; and
        `overall` and `methods` as in `clean`, each with `drop`, the clean AUC minus this one, and
        `flipped`, the share of faces whose decision at the threshold is another.

    Raises:
        InputError: if the split is empty or has one class only, for an unknown degradation or
            level or none at all, and naming the cell and the face if a degradation changes no
            pixel of a face that `lrl_keras.media.degradations.may_stay` does not excuse.
    """
    # Each once, whatever was asked for twice.
    names = list(dict.fromkeys(DEGRADATIONS if degradations is None else degradations))
    levels = list(levels)
    check(names, levels, seed)
    levels = sorted(set(levels))
    records = Records.open(records)
    total = metrics_report.count(records, split, methods)
    out = out or {}
    for name, folder in out.items():
        if name not in models:
            raise InputError(f"out must name models of {', '.join(models)}. Received: {name!r}")
        # Before the scoring: hours later is too late to learn that nothing can be written there.
        files.make_folder(folder)
    cells = [None, *itertools.product(names, levels)]
    batches = data.examples(records, split, methods=methods, batch_size=batch_size)
    with tqdm(
        total=total * len(cells), unit="face", desc=f"{split}, degraded", file=sys.stderr,
        disable=not progress,
    ) as bar:  # fmt: skip
        columns, scores, changed = _score(models, batches, cells, seed, bar)
    results = {}
    for name, model in models.items():
        for values in scores[name].values():
            metrics_report.check_finite(records, values)
        results[name] = {
            "split": split,
            "methods": None if methods is None else list(names_of(methods)),
            "seed": seed,
            "threshold": metrics_report.THRESHOLD,
            **_compared(columns, scores[name], changed),
            **metrics_report.provenance(model, records),
        }
        if name in out:
            _write(out[name], results[name])
    return results


def _score(models, batches, cells, seed, bar):
    """Return what is known of the faces, and by cell each model's scores and changed shares."""
    known = collections.defaultdict(list)
    scores = {name: collections.defaultdict(list) for name in models}
    changed = collections.defaultdict(list)
    scorers = {(name, cell): Scores(model) for name, model in models.items() for cell in cells}
    sizes = sorted({model.image_size for model in models.values()})
    pool = ThreadPoolExecutor(hardware.cores())
    try:
        for cell, found in _in_order(pool, _tasks(batches, cells, seed, sizes, known)):
            shares, clips, faces = zip(*found, strict=True)
            changed[cell].extend(shares)
            for name, model in models.items():
                stacked = np.stack([face[model.image_size] for face in faces]).astype(np.float32)
                scores[name][cell] += scorers[name, cell].add(stacked, clips)
            bar.update(len(found))
        for (name, cell), scorer in scorers.items():
            scores[name][cell] += scorer.finish()
    finally:
        pool.shutdown(cancel_futures=True)
    arrays = {name: {cell: np.array(v) for cell, v in of.items()} for name, of in scores.items()}
    return {name: np.array(v) for name, v in known.items()}, arrays, changed


def _tasks(batches, cells, seed, sizes, known):
    """Yield (cell, argument tuples of `_prepare`), batch by batch and cell by cell.

    Labels and origins of the faces are added to `known`.
    """
    for batch in batches:
        faces = batch["image"].numpy().astype(np.uint8)
        described = metrics_report.described(batch)
        for name, values in described.items():
            known[name].extend(values)
        named = list(zip(faces, zip(*(described[name] for name in _KEY), strict=True), strict=True))
        for cell in cells:
            yield cell, [(face, key, cell, seed, sizes) for face, key in named]


def _in_order(pool, tasks):
    """Yield (cell, results) while those that follow are being worked on."""
    waiting = collections.deque()
    for cell, arguments in tasks:
        waiting.append((cell, [pool.submit(_prepare, *each) for each in arguments]))
        if len(waiting) > _AHEAD:
            cell, futures = waiting.popleft()
            yield cell, [future.result() for future in futures]
    for cell, futures in waiting:
        yield cell, [future.result() for future in futures]


def _prepare(face, key, cell, seed, sizes):
    """Return the share of changed pixels, the clip, and the face in every size a model wants."""
    degraded = face if cell is None else degrade(face, *cell, seed=seed, face=key)
    share = float((degraded != face).any(axis=-1).mean())
    if cell is not None and share == 0 and not may_stay(face, cell[0]):
        dataset, method, video, frame = key
        raise InputError(
            f"{cell[0]} at level {cell[1]} changes no pixel of frame {frame} of {video!r} "
            f"({dataset}, {method}), so its metrics would prove nothing; leave out that "
            "degradation or level"
        )
    # On the processor, where the faces of training and evaluation are resized.
    with keras.device("cpu"):
        return share, key[:-1], {size: np.asarray(images.resize(degraded, size)) for size in sizes}


def _compared(columns, scores, changed):
    """Return `clean` and `cells` of a result."""
    clean = metrics_report.by_method(columns, scores[None])
    called = scores[None] > metrics_report.THRESHOLD
    found = collections.defaultdict(list)
    for cell in filter(None, scores):
        name, level = cell
        groups = metrics_report.by_method(columns, scores[cell])
        flipped = (scores[cell] > metrics_report.THRESHOLD) != called
        _compare(groups["overall"], clean["overall"], flipped)
        for method, numbers in groups["methods"].items():
            rows = metrics_report.against_real(columns, method)
            _compare(numbers, clean["methods"][method], flipped[rows])
        found[name].append(
            {
                "level": level,
                "strength": DEGRADATIONS[name].strengths[level - 1],
                "changed_pixels": float(np.mean(changed[cell])),
                "unchanged_faces": changed[cell].count(0),
                **groups,
            }
        )
    return {"clean": clean, "cells": dict(found)}


def _compare(numbers, clean, flipped):
    numbers["drop"] = clean["auc"] - numbers["auc"]
    numbers["flipped"] = float(flipped.mean())


def _write(out, result):
    with (
        files.replacing(files.join(out, "robustness.csv")) as temporary,
        open(temporary, "w", newline="") as file,
    ):
        rows = list(_rows(result))
        writer = csv.DictWriter(file, rows[-1], restval="")
        writer.writeheader()
        writer.writerows(rows)
    cells = {
        name.replace("_", " "): [
            (cell["overall"]["auc"], DEGRADATIONS[name].label.format(cell["strength"]))
            for cell in row
        ]
        for name, row in result["cells"].items()
    }
    levels = [cell["level"] for cell in next(iter(result["cells"].values()))]
    figures.robustness_map(
        cells, levels, result["clean"]["overall"]["auc"], files.join(out, "robustness.png")
    )
    files.write_json(files.join(out, "robustness.json"), result)


def _rows(result):
    """Yield the clean metrics and each cell's, overall and by method, as flat dicts."""
    clean = {"degradation": "none", "level": 0, **result["clean"]}
    cells = [{"degradation": name, **cell} for name, row in result["cells"].items() for cell in row]
    for cell in [clean, *cells]:
        own = {name: value for name, value in cell.items() if name not in ("overall", "methods")}
        for group, numbers in {"overall": cell["overall"], **cell["methods"]}.items():
            yield {**own, "faces": group, **numbers}
