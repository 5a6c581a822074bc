"""Table 1: FaceForensics++ in its three qualities, trained and tested on each.

    python -m experiments.table1 OUT --ffpp ROOT

ACC and AUC, frame level, of the Xception baseline and of the whole network, on raw videos, HQ (c23)
and LQ (c40). Paper: Xception 99.26, 95.73 and 86.86 % ACC; ours 99.87/99.92, 97.59/99.46 and
91.47/95.21. By the paper's own numbers F3-Net's raw ACC (99.95) is above that.

Not run yet with the whole dataset: six trainings of 50 epochs. Those on LQ are shared with Table 4,
those on HQ with Table 3.
"""

import sys

from experiments.study import command, datasets, networks, report
from experiments.study.grid import Task, runs

QUALITIES = {"Raw": "raw", "HQ": "c23", "LQ": "c40"}
NETWORKS = {"Xception": networks.XCEPTION, "LRL": networks.LRL}
# ACC and AUC by quality; the paper gives no AUC of Xception.
PAPER = {
    "Xception": {"Raw": (99.26, None), "HQ": (95.73, None), "LQ": (86.86, None)},
    "LRL": {"Raw": (99.87, 99.92), "HQ": (97.59, 99.46), "LQ": (91.47, 95.21)},
}


class Table1:
    """Both networks on each of the three qualities."""

    def __init__(self, choice):
        self._choice = choice
        self._sets = {
            name: datasets.faceforensics(choice, code) for name, code in QUALITIES.items()
        }
        self.records = list(self._sets.values())

    def tasks(self):
        return [
            Task(run, records)
            for records in self.records
            for network in NETWORKS.values()
            for run in runs(self._choice, records, network)
        ]

    def report(self):
        title = "Table 1: FaceForensics++ raw, HQ and LQ"
        table = {row: self._row(row) for row in PAPER}
        return report.write("table1", title, table, self._choice, self.records)

    def _row(self, row):
        cells = {}
        for quality, (accuracy, auc) in PAPER[row].items():
            records = self._sets[quality]
            trained = runs(self._choice, records, NETWORKS[row])
            cells[f"{quality} ACC"] = report.Cell(trained, records, "accuracy", accuracy)
            cells[f"{quality} AUC"] = report.Cell(trained, records, "auc", auc)
        return cells


def main(argv=None):
    return command.run("experiments.table1", __doc__, ["ffpp"], Table1, argv)


if __name__ == "__main__":
    sys.exit(main())
