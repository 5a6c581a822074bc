"""Table 1: FaceForensics++ in its three qualities, trained and tested on each.

    python -m experiments.table1 OUT --ffpp ROOT [--detectors NAME ...]

Frame level, on raw videos, HQ (c23) and LQ (c40), of the paper's network and of the nine systems
that it quotes. A quoted number stands in the column of the metric that it is: the accuracies of
Steg.Features to Xception are those of FaceForensics++, whose ACC is the mean of the recall of the
real and of the forged class, ours over all four methods together (bal. ACC); Xception's at LQ
(86.86) is from F3-Net's paper, as it seems, a plain one. By the paper's own numbers F3-Net's raw
ACC (99.95) is above LRL's.

Each system is trained as its authors did, or those who compared it (`--protocol lrl`: all of them
as LRL); options that are given hold for all.

Not run yet with the whole dataset: thirty trainings. LRL's on LQ are shared with Table 4, those
on HQ with Table 3.
"""

import sys

from experiments.study import command, datasets, networks, report
from experiments.study.grid import Task, runs

QUALITIES = {"Raw": "raw", "HQ": "c23", "LQ": "c40"}
METRICS = ("accuracy", "balanced_accuracy", "auc")
# By row, quality and metric, in percent.
PAPER = {
    "Steg.Features": {
        "Raw": {"balanced_accuracy": 97.63},
        "HQ": {"balanced_accuracy": 70.97},
        "LQ": {"balanced_accuracy": 55.98},
    },
    "LD-CNN": {
        "Raw": {"balanced_accuracy": 98.57},
        "HQ": {"balanced_accuracy": 78.45},
        "LQ": {"balanced_accuracy": 58.69},
    },
    "C-Conv": {
        "Raw": {"balanced_accuracy": 98.74},
        "HQ": {"balanced_accuracy": 82.97},
        "LQ": {"balanced_accuracy": 66.84},
    },
    "CP-CNN": {
        "Raw": {"balanced_accuracy": 97.03},
        "HQ": {"balanced_accuracy": 79.08},
        "LQ": {"balanced_accuracy": 61.18},
    },
    "MesoNet": {
        "Raw": {"balanced_accuracy": 95.23},
        "HQ": {"balanced_accuracy": 83.10},
        "LQ": {"balanced_accuracy": 70.47},
    },
    "Xception": {
        "Raw": {"balanced_accuracy": 99.26},
        "HQ": {"balanced_accuracy": 95.73},
        "LQ": {"accuracy": 86.86},
    },
    "Face X-ray": {"Raw": {}, "HQ": {"auc": 87.40}, "LQ": {"auc": 61.60}},
    "Two-branch RN": {
        "Raw": {},
        "HQ": {"accuracy": 96.43, "auc": 88.70},
        "LQ": {"accuracy": 86.34, "auc": 86.59},
    },
    "F3-Net": {
        "Raw": {"accuracy": 99.95, "auc": 99.80},
        "HQ": {"accuracy": 97.52, "auc": 98.10},
        "LQ": {"accuracy": 90.43, "auc": 93.30},
    },
    "LRL": {
        "Raw": {"accuracy": 99.87, "auc": 99.92},
        "HQ": {"accuracy": 97.59, "auc": 99.46},
        "LQ": {"accuracy": 91.47, "auc": 95.21},
    },
}


class Table1:
    """All systems on each of the three qualities."""

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
            for row, name in networks.SYSTEMS.items()
            if name in self._choice.extra["detectors"]
            for run in self._runs(row, records)
        ]

    def report(self):
        title = "Table 1: FaceForensics++ raw, HQ and LQ"
        table = {row: self._row(row) for row in PAPER}
        return report.write("table1", title, table, self._choice, self.records)

    def _runs(self, row, records):
        return runs(self._choice, records, {"detector": networks.SYSTEMS[row]})

    def _row(self, row):
        return {
            f"{quality} {report.HEADS[metric]}": report.Cell(
                self._runs(row, records), records, metric, PAPER[row][quality].get(metric)
            )
            for quality, records in self._sets.items()
            for metric in METRICS
        }


def main(argv=None):
    extra = networks.chosen_systems(networks.SYSTEMS.values())
    return command.run("experiments.table1", __doc__, ["ffpp"], Table1, argv, extra=extra)


if __name__ == "__main__":
    sys.exit(main())
