"""The table of `experiments.table5`, and its plot of AUC against speed."""

import numpy as np

from experiments.study import report
from lrl_keras.plots import figures


def table(found):
    """Tabulate AUC in percent on all that the systems are tested on, their size and their speed.

    Args:
        found: dict of row to a list of what was measured, one a seed that is done: `figures` by
            test set, `weights`, `multiply_adds` and `images_per_second`.

    Returns:
        lines of Markdown.
    """
    columns = _columns(next(iter(each[0] for each in found.values() if each)))
    cells = []
    for row, measured in found.items():
        line = [
            report.percent([100 * _at(one, path) for one in measured]) for path in columns.values()
        ]
        size = "-", "-", "-"
        if measured:
            size = (
                f"{measured[0]['weights'] / 1e6:.3g}",
                f"{measured[0]['multiply_adds'] / 1e9:.3g}",
                f"{np.median([one['images_per_second'] for one in measured]):.1f}",
            )
        cells.append([row, *line, *size])
    heads = ["", *columns, "weights, million", "multiply-adds, billion", "faces/s"]
    return report.rows(heads, cells)


def draw(found, path):
    """Draw the AUC on faces made here, of both kinds, against faces a second, to a PNG file."""
    points = {
        row: (
            float(np.median([one["images_per_second"] for one in measured])),
            float(np.mean([_at(one, _whole(one)) for one in measured])),
        )
        for row, measured in found.items()
        if measured
    }
    figures.scatter(points, "faces a second, ONNX Runtime", "AUC, people never seen", path)


def _columns(one):
    """Name the test sets of what was measured, each with the path to its AUC."""
    made, *others = (name for name in one["figures"] if name != "CRF 30")
    kinds = [kind for kind in one["figures"][made]["frame"] if kind != "overall"]
    columns = {kind: (made, "frame", kind) for kind in kinds}
    columns["CRF 30"] = ("CRF 30", "overall")
    for name in others:
        columns |= {f"{name}, {level}s": (name, level, "overall") for level in ("frame", "video")}
    return columns


def _whole(one):
    return next(iter(one["figures"])), "frame", "overall"


def _at(one, path):
    found = one["figures"]
    for name in path:
        found = found[name]
    return found
