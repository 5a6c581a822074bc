"""Several runs on the same faces: scored, compared, and written down."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from typing import Any

from lrl_keras.data.records import Records, names_of
from lrl_keras.evaluation import comparison_tables, metrics_report, scoring
from lrl_keras.evaluation.candidates import named
from lrl_keras.evaluation.score_comparison import compare_scores
from lrl_keras.plots import figures
from lrl_keras.saving.run import versions
from lrl_keras.system import files

_log = logging.getLogger(__name__)


def compare(
    runs: Sequence[str | os.PathLike[str]],
    records: str | os.PathLike[str] | Records,
    split: str = "test",
    *,
    methods: Sequence[str] | str | None = None,
    batch_size: int = 32,
    resamples: int = 1000,
    seed: int = 0,
    pairs: str = "all",
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Score several runs on every face of a split, and compare their AUCs.

    Each run sees the faces at its own input size. With `out`, the scores of a run are kept as soon
    as it is done, and taken from there where records, weights, split and methods are the same.

    Args:
        runs: folders of runs, `"default"`, or exported files, each once.
        records: folder of finished records, or `lrl_keras.data.Records`.
        split: `"train"`, `"val"`, `"test"`, or `"all"` of them where the runs have been trained on
            others. Defaults to `"test"`.
        methods: names of forgery methods; forged faces of others are left out. Default: all.
        batch_size: faces scored at once. Defaults to `32`.
        resamples: of the bootstrap, see `lrl_keras.evaluation.significance.bootstrap_auc`.
        seed: of the resamples.
        pairs: which runs are compared: `"all"`, or each with the `"first"`.
        out: folder for `comparison.json`, `comparison.md` and `roc.png`, and for each run a folder
            with `scores.csv` and `scores.json`, made where it is missing; `None` writes nothing.
        progress: whether to show a progress bar on standard error.

    Returns:
        dict that can be written as JSON: what `compare_scores` returns, where each of `runs` has
        also its `path`, `detector`, `image_size`, `parameters` and `multiply_adds` (`None` of an
        exported file) and checksums; and what was measured: `split`, `methods`, `threshold`,
        `records`, `manifest_sha256`, `versions`.

    Raises:
        InputError: a run is missing, damaged or given twice, or the split is empty or has one
            class only.
    """
    records = Records.open(records)
    total = metrics_report.count(records, split, methods)
    candidates = named(runs)
    what = {
        "split": split,
        "methods": None if methods is None else list(names_of(methods)),
        "manifest_sha256": records.fingerprint,
    }
    if out is not None:
        # Before the scoring: hours later is too late to learn that nothing can be written there.
        for name in candidates:
            files.make_folder(files.join(out, name))

    def scored(name, candidate):
        identity = {**candidate.identity, **what}
        folder = None if out is None else files.join(out, name)
        if folder is not None and (kept := _kept(folder, identity)):
            _log.info("%s: its scores are in %s already", candidate.path, folder)
            return kept
        model, facts = candidate.opened()
        frames = scoring.score(
            model, records, split, methods, batch_size, total, title=name, progress=progress
        )
        metrics_report.check_finite(candidate.path, frames["score"])
        if folder is not None:
            _keep(folder, identity, facts, frames)
        return facts, frames

    found = {name: scored(name, candidate) for name, candidate in candidates.items()}
    columns = {name: frames for name, (_, frames) in found.items()}
    result = compare_scores(columns, resamples=resamples, seed=seed, pairs=pairs)
    for name, candidate in candidates.items():
        result["runs"][name] |= {"path": candidate.path, **candidate.identity, **found[name][0]}
    result |= {
        **what,
        "threshold": metrics_report.THRESHOLD,
        "records": records.about,
        "versions": versions(),
    }
    if out is not None:
        curves = {name: (frames["label"], frames["score"]) for name, frames in columns.items()}
        figures.roc_curves(curves, files.join(out, "roc.png"))
        write(result, out)
    return result


def write(result: dict[str, Any], out: str | os.PathLike[str]) -> None:
    """Write `comparison.json` and its tables as `comparison.md` into a folder that is there.

    Args:
        result: what `compare` returned, where runs may have `images_per_second` besides.
        out: the folder.
    """
    files.write_json(files.join(out, "comparison.json"), result)
    files.write_text(files.join(out, "comparison.md"), comparison_tables.markdown(result))


def _keep(folder, identity, facts, frames):
    path = files.join(folder, "scores.csv")
    scoring.write(frames, path)
    about = {"identity": identity, "facts": facts, "sha256": files.sha256(path)}
    files.write_json(files.join(folder, "scores.json"), about)


def _kept(folder, identity):
    """Return the facts and faces that `_keep` wrote, or `None` where they are others or damaged."""
    path = files.join(folder, "scores.csv")
    try:
        about = json.loads(files.read_bytes(files.join(folder, "scores.json")))
        if about["identity"] == identity and about["sha256"] == files.sha256(path):
            return about["facts"], scoring.read(path)
    except (KeyError, OSError, TypeError, ValueError):
        pass
    return None
