"""The tables in the report of `experiments.detector`."""

import numpy as np

from experiments.study import report


def compared(found):
    """Tabulate the compared networks: AUC in percent on everything that they are tested on."""
    names = list(next((of[0]["figures"] for of in found.values() if of), {}))
    cells = []
    for row, measured in found.items():
        line = [
            report.percent([_auc(one["figures"][name]["frame"]) for one in measured])
            for name in names
        ]
        crf30 = [_auc(one["degraded"]["video_compression"][0]) for one in measured]
        cells.append([row, *line, report.percent(crf30)])
    return report.rows(["AUC", *names, "made here, CRF 30"], cells)


def shipped(found):
    """Tabulate the metrics of the shipped detector, by method and by degradation."""
    heads = ["", "AUC", "video AUC", "balanced accuracy at 0.5", "real", "forged"]
    cells = []
    for name, result in found["figures"].items():
        methods = result["frame"]["methods"]
        for method in (None, *methods):
            frame, video = (
                result[level]["overall"] if method is None else result[level]["methods"][method]
                for level in ("frame", "video")
            )
            cells.append([
                name if method is None else f"{name}, {method}",
                *(f"{100 * auc:.2f}" for auc in (frame["auc"], video["auc"])),
                f"{100 * frame['balanced_accuracy']:.2f}",
                str(frame["real"]),
                str(frame["forged"]),
            ])  # fmt: skip
    degraded = {
        name: np.mean([cell["overall"]["auc"] for cell in row])
        for name, row in found["degraded"].items()
    }
    rows = [[name.replace("_", " "), f"{100 * auc:.2f}"] for name, auc in degraded.items()]
    rows.append(["mean", f"{100 * np.mean(list(degraded.values())):.2f}"])
    return [
        *report.rows(heads, cells),
        "",
        "Made here, under each degradation, mean over its levels:",
        "",
        *report.rows(["", "AUC"], rows),
    ]


def _auc(metrics):
    return 100 * metrics["overall"]["auc"]
