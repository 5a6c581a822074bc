"""Table 2: each of the four forgery methods by itself, FaceForensics++ LQ.

    python -m experiments.table2 OUT --ffpp ROOT [--detectors NAME ...]

Frame level, percent. Of each method two numbers, for the paper mixes two protocols: ACC of a
network that is trained and tested on the real videos and this method, as the paper says of all of
them; and the recall of this method's fakes by a network trained on all four, which the rows
Steg.Features to CP-CNN are, rounded, in FaceForensics++'s table. (C-Conv's 82 on Face2Face is 83.66
there.) A quoted number stands in the column of the one that it is.

Each system is trained as its authors did, or those who compared it (`--protocol lrl`: all of them
as LRL); options that are given hold for all.

Not run yet with the whole dataset: forty trainings, on the records of Table 4; those on all four
methods are Table 1's.
"""

import sys

from experiments.study import command, datasets, networks, report
from experiments.study.grid import Task, runs

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")
# In percent, in the order of METHODS.
ACCURACY = {
    "MesoNet": (90, 83, 83, 75),
    "Xception": (96.01, 93.29, 94.71, 79.14),
    "F3-Net": (97.97, 95.32, 96.53, 83.32),
    "LRL": (98.84, 95.53, 97.53, 89.31),
}
RECALL = {
    "Steg.Features": (67, 48, 49, 56),
    "LD-CNN": (75, 56, 51, 62),
    "C-Conv": (87, 82, 74, 74),
    "CP-CNN": (80, 62, 59, 59),
}
SYSTEMS = {row: networks.SYSTEMS[row] for row in (*RECALL, *ACCURACY)}
_NONE = (None,) * len(METHODS)


class Table2:
    """All systems of the table on each method, and on all four."""

    def __init__(self, choice):
        self._choice = choice
        self._lq = datasets.faceforensics(choice, "c40")
        self.records = [self._lq]

    def tasks(self):
        return [
            Task(run, self._lq)
            for row, name in SYSTEMS.items()
            if name in self._choice.extra["detectors"]
            for methods in (*((method,) for method in METHODS), None)
            for run in self._runs(row, methods)
        ]

    def report(self):
        table = {row: self._row(row) for row in SYSTEMS}
        title = "Table 2: one forgery method at a time, FaceForensics++ LQ"
        return report.write("table2", title, table, self._choice, self.records)

    def _row(self, row):
        cells = {}
        quoted = zip(METHODS, ACCURACY.get(row, _NONE), RECALL.get(row, _NONE), strict=True)
        for method, accuracy, recall in quoted:
            own = self._runs(row, (method,))
            cells[f"{method} ACC"] = report.Cell(own, self._lq, "accuracy", accuracy)
            cells[f"{method} recall, trained on all"] = report.Cell(
                self._runs(row, None), self._lq, "recall", recall, method
            )
        return cells

    def _runs(self, row, methods):
        network = {"detector": SYSTEMS[row]}
        return runs(self._choice, self._lq, network, methods=methods)


def main(argv=None):
    extra = networks.chosen_systems(SYSTEMS.values())
    return command.run("experiments.table2", __doc__, ["ffpp"], Table2, argv, extra=extra)


if __name__ == "__main__":
    sys.exit(main())
