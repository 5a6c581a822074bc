"""Score a finished run on FaceForensics++, which it has never seen."""

from experiments.study import report
from lrl_keras.system import files


def measure(runs, records):
    """Measure the run with the best validation AUC.

    Args:
        runs: list of `experiments.study.grid.Training`, at least one of them finished.
        records: `experiments.study.datasets.Records`.

    Returns:
        dict: `run` (its folder), `validation_auc`, and the metrics by level, `frame` and `video`.
    """
    # The first of several that are equal.
    best = max((run for run in runs if run.finished()), key=lambda run: run.best_auc())
    clips = records.opened.clips
    methods = sorted({clip.method for clip in clips if clip.label and clip.kept})
    result = best.measure(records, tuple(methods))
    levels = {level: result[level] for level in ("frame", "video")}
    return {"run": best.folder, "validation_auc": best.best_auc(), **levels}


def lines(found):
    """Write the result of `measure` as lines of Markdown."""
    cells = []
    for level in ("frame", "video"):
        named = {"overall": found[level]["overall"], **found[level]["methods"]}
        for name, metrics in named.items():
            numbers = [f"{100 * metrics[each]:.2f}" for each in report.HEADS]
            faces = [str(metrics[label]) for label in ("real", "forged")]
            cells.append([f"{level} {name}", *numbers, *faces])
    return [
        "## FaceForensics++, never seen",
        "",
        "The (first) run with the best AUC on the validation faces of its own mode "
        f"({100 * found['validation_auc']:.2f}), `{files.name_of(found['run'])}`, on all videos "
        "(c23) that were at hand, of all splits.",
        "",
        *report.rows(["", *report.HEADS.values(), "real", "forged"], cells),
        "",
    ]
