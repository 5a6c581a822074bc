"""Table 4: what each part of the network contributes, on FaceForensics++ LQ.

    python -m experiments.table4 OUT --ffpp ROOT

ACC and AUC, frame level, of five networks that are trained alike: RGB alone; with the frequency
stream, joined by concatenation; joined by RFAM; RGB with MPSM; all of it. Paper: 89.15/93.03,
89.99/93.13, 90.05/93.78, 91.06/94.96, 91.47/95.21.

Not run yet with the whole dataset. Every network is trained for 50 epochs; the last one is that of
Table 1.
"""

import sys

from experiments.study import command, datasets, report
from experiments.study.grid import Task, runs
from experiments.study.networks import ABLATIONS

# ACC and AUC.
PAPER = {
    "RGB": (89.15, 93.03),
    "RGB + frequency": (89.99, 93.13),
    "RGB + frequency + RFAM": (90.05, 93.78),
    "RGB + MPSM": (91.06, 94.96),
    "RGB + frequency + RFAM + MPSM": (91.47, 95.21),
}


class Table4:
    """The five rows, trained and tested on FaceForensics++ LQ."""

    def __init__(self, choice):
        self._choice = choice
        self._lq = datasets.faceforensics(choice, "c40")
        self.records = [self._lq]

    def tasks(self):
        return [Task(run, self._lq) for row in PAPER for run in self._runs(row)]

    def report(self):
        table = {
            row: {
                "ACC": report.Cell(self._runs(row), self._lq, "accuracy", accuracy),
                "AUC": report.Cell(self._runs(row), self._lq, "auc", auc),
            }
            for row, (accuracy, auc) in PAPER.items()
        }
        title = "Table 4: the parts of the network, FaceForensics++ LQ"
        return report.write("table4", title, table, self._choice, self.records)

    def _runs(self, row):
        return runs(self._choice, self._lq, ABLATIONS[row])


def main(argv=None):
    return command.run("experiments.table4", __doc__, ["ffpp"], Table4, argv)


if __name__ == "__main__":
    sys.exit(main())
