"""Table 2: each of the four forgery methods by itself, FaceForensics++ LQ.

    python -m experiments.table2 OUT --ffpp ROOT

ACC, frame level, trained and tested on the real videos and one method. Paper: Xception 96.01,
93.29, 94.71 and 79.14 % on Deepfakes, Face2Face, FaceSwap and NeuralTextures; ours 98.84, 95.53,
97.53 and 89.31.

Not run yet with the whole dataset: eight trainings of 50 epochs, on the records of Table 4.
"""

import sys

from experiments.study import command, datasets, networks, report
from experiments.study.grid import Task, runs

NETWORKS = {"Xception": networks.XCEPTION, "LRL": networks.LRL}
PAPER = {
    "Xception": {
        "Deepfakes": 96.01,
        "Face2Face": 93.29,
        "FaceSwap": 94.71,
        "NeuralTextures": 79.14,
    },
    "LRL": {
        "Deepfakes": 98.84,
        "Face2Face": 95.53,
        "FaceSwap": 97.53,
        "NeuralTextures": 89.31,
    },
}


class Table2:
    """Both networks on each method."""

    def __init__(self, choice):
        self._choice = choice
        self._lq = datasets.faceforensics(choice, "c40")
        self.records = [self._lq]

    def tasks(self):
        return [
            Task(run, self._lq)
            for row, methods in PAPER.items()
            for method in methods
            for run in self._runs(row, method)
        ]

    def report(self):
        table = {
            row: {
                method: report.Cell(self._runs(row, method), self._lq, "accuracy", accuracy)
                for method, accuracy in methods.items()
            }
            for row, methods in PAPER.items()
        }
        title = "Table 2: one forgery method at a time, FaceForensics++ LQ, ACC"
        return report.write("table2", title, table, self._choice, self.records)

    def _runs(self, row, method):
        return runs(self._choice, self._lq, NETWORKS[row], methods=(method,))


def main(argv=None):
    return command.run("experiments.table2", __doc__, ["ffpp"], Table2, argv)


if __name__ == "__main__":
    sys.exit(main())
