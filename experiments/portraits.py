"""Table 4's claims of the parts, and their robustness, on forgeries that need no licence.

    python -m experiments.portraits OUT --portraits ROOT [--ffpp ROOT]

ROOT holds real portraits, one identity each. Forgeries are made of them by self-blending and by
swapping (source `self-blended`); the five rows of Table 4, a plain classifier with the same
backbone, and the whole network with the paper's head literally (`head_norm=False`) are trained
on each of the two modes and tested on both, and under degradation. With `--ffpp` the run with the
best validation AUC is also scored on all videos of FaceForensics++ (c23) that are there.

The paper has no such numbers. Ours, with the command, the time and the hardware: portraits.md
beside this file.
"""

import dataclasses
import itertools
import sys

import numpy as np

from experiments.study import command, datasets, paired, provenance, report, unseen
from experiments.study.grid import Task, read_json, runs
from experiments.study.networks import ABLATIONS, BASELINE, WHOLE, WITHOUT_MPSM, WITHOUT_RFAM
from experiments.study.report import HEADS
from lrl_keras.data.records import ALL
from lrl_keras.evaluation import robustness
from lrl_keras.media.degradations import DEGRADATIONS
from lrl_keras.system import files
from lrl_keras.system.options import Option

MODES = ("self-blended", "swap")
CLASSIFIER = "Classifier"
PLAIN_HEAD = f"{WHOLE}, no head norm"
NETWORKS = {
    CLASSIFIER: {"detector": "classifier"},
    **ABLATIONS,
    PLAIN_HEAD: {"head_norm": False},
}
# Of the five: the weakest, the middle and the strongest.
LEVELS = (1, 3, 5)
FORGERIES = 4

_ROBUSTNESS = "robustness.json"


class Portraits:
    """All networks, trained on each mode, tested on both and under degradation."""

    def __init__(self, choice):
        self._choice = choice
        self._portraits = datasets.records(
            choice.out,
            f"portraits-{choice.image_size}",
            "self-blended",
            choice.roots["portraits"],
            methods=MODES,
            forgeries=1 if choice.smoke else FORGERIES,
            splits=tuple(map(float, choice.extra["identities"])),
            image_size=choice.image_size,
        )
        self.records = [self._portraits]
        if "ffpp" in choice.roots:
            self.records.append(
                dataclasses.replace(datasets.faceforensics(choice, "c23"), split=ALL)
            )

    def tasks(self):
        # Seed by seed, so that an unfinished study can be compared too.
        return [
            Task(self._runs(mode, row)[number], self._portraits, MODES)
            for number, mode, row in itertools.product(
                range(len(self._choice.seeds)), MODES, NETWORKS
            )
        ]

    def report(self):
        for mode in MODES:
            self._degrade(mode)
        found = {mode: {row: self._metrics(mode, row) for row in NETWORKS} for mode in MODES}
        every = [task.run for task in self.tasks()]
        origin, about = provenance.describe(every, self.records, self._choice)
        about |= {
            "experiment": "portraits",
            "figures": found,
            "tests": {mode: _tests(found[mode]) for mode in MODES},
        }
        lines = self._lines(found)
        if len(self.records) > 1 and any(run.finished() for run in every):
            about["unseen"] = unseen.measure(every, self.records[1])
            lines += unseen.lines(about["unseen"])
        return report.save("portraits", [*lines, *origin], about, self._choice)

    def _runs(self, mode, row):
        return runs(self._choice, self._portraits, NETWORKS[row], methods=(mode,))

    def _degrade(self, mode):
        """Measure the finished runs of a mode together: every face is degraded once for all."""
        waiting = [
            run
            for row in NETWORKS
            for run in self._runs(mode, row)
            if run.finished() and not files.exists(files.join(run.folder, _ROBUSTNESS))
        ]
        if not waiting:
            return
        robustness.measure(
            {run.folder: run.network() for run in waiting},
            self._portraits.folder,
            methods=(mode,),
            levels=LEVELS,
            out={run.folder: run.folder for run in waiting},
        )

    def _metrics(self, mode, row):
        """Read metrics in percent by name, each a list with one number a seed that is done."""
        other = _other(mode)
        found = {}

        def add(name, value):
            found.setdefault(name, []).append(100 * value)

        for run in self._runs(mode, row):
            result = run.result(self._portraits, MODES)
            path = files.join(run.folder, _ROBUSTNESS)
            if result is None or not files.exists(path):
                continue
            for place, method in (("same", mode), ("other", other)):
                for name in HEADS:
                    add(f"{place} {name}", result["frame"]["methods"][method][name])
            cells = read_json(path)["cells"]
            for name in ("auc", "drop", "flipped"):
                every = [cell["overall"][name] for row in cells.values() for cell in row]
                add(f"degraded {name}", np.mean(every))
            for degradation, strengths in cells.items():
                add(f"{degradation} auc", np.mean([cell["overall"]["auc"] for cell in strengths]))
        return found

    def _lines(self, found):
        counts = self._portraits.opened.counts
        faces = ", ".join(
            f"{split} {kinds['real']['real']['examples']} real and "
            + " and ".join(f"{kinds['fake'][mode]['examples']} {mode}" for mode in MODES)
            for split, kinds in sorted(counts.items(), reverse=True)
        )
        title = "The parts of the network on forgeries of portraits"
        lines = [
            *report.heading(title, self._choice),
            f"Faces: {faces}; no identity in two splits. Frame level, percent, mean and standard "
            f"deviation over the seeds. Degraded: mean over {len(DEGRADATIONS)} degradations at "
            f"the levels {', '.join(map(str, LEVELS))}, forgeries of the mode that was trained on; "
            "drop is against the clean AUC, flipped the share of decisions that changed.",
            "",
        ]
        for mode in MODES:
            lines += [f"## Trained on {mode}", "", *_table(mode, found[mode]), ""]
            lines += ["AUC of each seed:", "", *_by_seed(mode, found[mode]), ""]
            lines += ["AUC under each degradation:", "", *_by_degradation(found[mode]), ""]
            tests = _tests(found[mode])
            lines += [
                f"Paired over the seeds, AUC in points, p of a two-sided t test; {len(tests)} "
                "comparisons, p not corrected for their number:",
                "",
                *paired.table(tests),
                "",
            ]
        return lines


def _other(mode):
    return next(each for each in MODES if each != mode)


def _table(mode, found):
    other = _other(mode)
    columns = {f"{mode} {HEADS[name]}": f"same {name}" for name in HEADS}
    columns |= {f"{other} {HEADS[name]}": f"other {name}" for name in HEADS}
    columns |= {f"degraded {name}": f"degraded {name.lower()}" for name in ("AUC", "drop")}
    columns["flipped"] = "degraded flipped"
    return _metric_table(columns, found)


def _by_seed(mode, found):
    columns = {mode: "same auc", _other(mode): "other auc", "degraded": "degraded auc"}
    return _metric_table(
        columns, found, lambda values: ", ".join(map("{:.2f}".format, values)) or "-"
    )


def _by_degradation(found):
    columns = {name.replace("_", " "): f"{name} auc" for name in DEGRADATIONS}
    return _metric_table(columns, found)


def _metric_table(columns, found, text=report.percent):
    """Tabulate networks, a row each; `text` makes a cell of the numbers of all seeds."""
    cells = [
        [row, *(text(numbers.get(name, [])) for name in columns.values())]
        for row, numbers in found.items()
    ]
    return report.rows(["", *columns], cells)


def _tests(found):
    """Test the differences that the paper claims, paired by seed."""
    pairs = [(row, BASELINE) for row in found if row not in (CLASSIFIER, BASELINE)]
    pairs += [(WHOLE, other) for other in (CLASSIFIER, WITHOUT_MPSM, PLAIN_HEAD)]
    return paired.tests(found, [*pairs, (WITHOUT_MPSM, WITHOUT_RFAM)])


def main(argv=None):
    return command.run(
        "experiments.portraits",
        __doc__,
        ["portraits"],
        Portraits,
        argv,
        optional=["ffpp"],
        extra={
            "identities": (
                Option((300, 36, 100), "portraits of the splits train, val and test", least=1),
                (4, 2, 4),
            )
        },
        backbone="tiny",
        weights=None,
        image_size=160,
        learning_rate=1e-3,
        cache=True,
        seeds=(0, 1, 2),
    )


if __name__ == "__main__":
    sys.exit(main())
