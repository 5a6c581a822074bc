"""What Table 4 claims of the parts, and how robust they are, on forgeries that need no licence.

    python -m experiments.portraits OUT --portraits ROOT [--ffpp ROOT]

ROOT holds real portraits, one identity each. Forgeries are made of them by self-blending and by
swapping (source `self-blended`); the five rows of Table 4, a plain classifier with the same
backbone, and the whole network with the paper's head literally (`head_norm=False`) are trained
on each of the two modes and tested on both, and under degradation. With `--ffpp` the run with the
best validation AUC is also scored on all videos of FaceForensics++ (c23) that are there.

The paper has no such numbers. Ours, with the command, the time and the hardware: portraits.md
beside this file.
"""

import itertools
import sys

import numpy as np
from scipy import stats

from experiments.study import command, datasets, report
from experiments.study.grid import Task, read_json, runs
from experiments.study.networks import ABLATIONS, BASELINE, WHOLE, WITHOUT_MPSM, WITHOUT_RFAM
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
_CLEAN = ("accuracy", "balanced_accuracy", "auc", "eer")
_HEADS = {"accuracy": "ACC", "balanced_accuracy": "bal. ACC", "auc": "AUC", "eer": "EER"}


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
            self.records.append(datasets.faceforensics(choice, "c23"))

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
        found = {mode: {row: self._figures(mode, row) for row in NETWORKS} for mode in MODES}
        every = [task.run for task in self.tasks()]
        origin, about = report.provenance(every, self.records, self._choice)
        about |= {
            "experiment": "portraits",
            "figures": found,
            "tests": {mode: _tests(found[mode]) for mode in MODES},
        }
        lines = self._lines(found)
        if len(self.records) > 1 and any(run.finished() for run in every):
            about["unseen"] = self._unseen(every)
            lines += _unseen_lines(about["unseen"])
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

    def _unseen(self, every):
        """The run with the best validation AUC, and what it makes of videos it has never seen."""
        # The first of several that are equal.
        best = max((run for run in every if run.finished()), key=lambda run: run.best_auc())
        clips = self.records[1].opened.clips
        methods = sorted({clip.method for clip in clips if clip.label and clip.kept})
        result = best.measure(self.records[1], tuple(methods), "all")
        levels = {level: result[level] for level in ("frame", "video")}
        return {"run": best.folder, "validation_auc": best.best_auc(), **levels}

    def _figures(self, mode, row):
        """Figures in percent by name, each a list with one number a seed that is done."""
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
                for name in _CLEAN:
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
                *_test_table(tests),
                "",
            ]
        return lines


def _other(mode):
    return next(each for each in MODES if each != mode)


def _unseen_lines(unseen):
    cells = [
        [
            f"{level} {name}",
            *(f"{100 * figures[each]:.2f}" for each in _CLEAN),
            *(str(figures[label]) for label in ("real", "forged")),
        ]
        for level in ("frame", "video")
        for name, figures in (
            ("overall", unseen[level]["overall"]),
            *unseen[level]["methods"].items(),
        )
    ]
    return [
        "## FaceForensics++, never seen",
        "",
        "The (first) run with the best AUC on the validation faces of its own mode "
        f"({100 * unseen['validation_auc']:.2f}), `{files.name_of(unseen['run'])}`, on all videos "
        "(c23) that were at hand, of all splits.",
        "",
        *report.rows(["", *_HEADS.values(), "real", "forged"], cells),
        "",
    ]


def _table(mode, found):
    other = _other(mode)
    columns = {f"{mode} {_HEADS[name]}": f"same {name}" for name in _CLEAN}
    columns |= {f"{other} {_HEADS[name]}": f"other {name}" for name in _CLEAN}
    columns |= {f"degraded {name}": f"degraded {name.lower()}" for name in ("AUC", "drop")}
    columns["flipped"] = "degraded flipped"
    return _figure_table(columns, found)


def _by_seed(mode, found):
    columns = {mode: "same auc", _other(mode): "other auc", "degraded": "degraded auc"}
    return _figure_table(
        columns, found, lambda values: ", ".join(map("{:.2f}".format, values)) or "-"
    )


def _by_degradation(found):
    columns = {name.replace("_", " "): f"{name} auc" for name in DEGRADATIONS}
    return _figure_table(columns, found)


def _figure_table(columns, found, text=report.percent):
    """Rows of networks; `text` makes a cell of the figures of all seeds."""
    cells = [
        [row, *(text(numbers.get(name, [])) for name in columns.values())]
        for row, numbers in found.items()
    ]
    return report.rows(["", *columns], cells)


def _tests(found):
    """Differences that the paper claims, paired by seed, with the p of a t test."""
    pairs = [(row, BASELINE) for row in found if row not in (CLASSIFIER, BASELINE)]
    pairs += [(WHOLE, other) for other in (CLASSIFIER, WITHOUT_MPSM, PLAIN_HEAD)]
    pairs.append((WITHOUT_MPSM, WITHOUT_RFAM))
    tests = []
    for row, against in pairs:
        for place in ("same", "other", "degraded"):
            ours, theirs = (found[name].get(f"{place} auc", []) for name in (row, against))
            count = min(len(ours), len(theirs))
            if not count:
                continue
            differences = np.subtract(ours[:count], theirs[:count])
            # Of equal differences the test would say that chance is ruled out.
            spread = count > 1 and np.ptp(differences) > 0
            p = float(stats.ttest_1samp(differences, 0).pvalue) if spread else None
            tests.append(
                {
                    "row": row,
                    "against": against,
                    "faces": place,
                    "mean": float(differences.mean()),
                    "differences": differences.tolist(),
                    "p": p,
                }
            )
    return tests


def _test_table(tests):
    places = {"same": "same mode", "other": "other mode", "degraded": "degraded"}
    cells = [
        [
            f"{test['row']} against {test['against']}",
            places[test["faces"]],
            f"{test['mean']:+.2f}",
            str(len(test["differences"])),
            "-" if test["p"] is None else f"{test['p']:.3f}",
        ]
        for test in tests
    ]
    return report.rows(["", "tested on", "difference", "seeds", "p"], cells)


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
