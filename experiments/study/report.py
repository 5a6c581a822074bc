"""Results of an experiment beside the paper's: a Markdown table and JSON."""

import dataclasses

import numpy as np

from experiments.study import provenance
from experiments.study.datasets import Records
from experiments.study.grid import Training
from lrl_keras.system import files

# Metrics by the names that `lrl_keras.evaluation.evaluate` gives them.
HEADS = {"accuracy": "ACC", "balanced_accuracy": "bal. ACC", "auc": "AUC", "eer": "EER"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        runs: its trainings, one a seed.
        records: `Records` that it is measured on.
        metric: its name, as `lrl_keras.evaluation.evaluate` calls it.
        paper: the paper's number in percent, `None` where it has none.
        method: forgery method that it is measured on, `None` for all.
    """

    runs: tuple[Training, ...]
    records: Records
    metric: str
    paper: float | None
    method: str | None = None

    def values(self, level):
        """Read ours in percent, one a seed that is done; `level` is `"frame"` or `"video"`."""
        found = [run.result(self.records) for run in self.runs]
        measured = [result[level] for result in found if result]
        if self.method is None:
            return [100 * each["overall"][self.metric] for each in measured]
        return [100 * each["methods"][self.method][self.metric] for each in measured]


def write(name, title, table, choice, records, notes=()):
    """Write `NAME.md` and `NAME.json` below the folder of the experiments.

    Args:
        name: of the experiment.
        title: heading.
        table: dict of row to dict of column to `Cell`.
        choice: `experiments.study.command.Choice`.
        records: the `Records` of the experiment.
        notes: further lines on what was not the same as in the paper.

    Returns:
        the two paths.
    """
    notes = [*notes, *_unmeasured(table)]
    origin, found = provenance.describe(_runs(table), records, choice, notes)
    lines = [
        *heading(title, choice),
        f"Frame level, percent; {_over(choice.seeds)}. Paper, ours, difference.",
        "",
        *_table(table, "frame", with_paper=True),
        "",
        "Video level (mean of a video's frames), ours:",
        "",
        *_table(table, "video", with_paper=False),
        "",
        *origin,
    ]
    found |= {
        "experiment": name,
        "rows": {
            row: {column: _plain(cell) for column, cell in cells.items()}
            for row, cells in table.items()
        },
    }
    return save(name, lines, found, choice)


def heading(title, choice):
    """Write the first lines of a report."""
    lines = [f"# {title}", ""]
    if choice.smoke:
        lines += ["**Smoke scale: this shows that it runs; the numbers mean nothing.**", ""]
    return lines


def save(name, lines, found, choice):
    """Write lines of Markdown and what they are made from; returns the two paths."""
    paths = [files.join(choice.out, f"{name}.{kind}") for kind in ("md", "json")]
    files.make_folder(choice.out)
    files.write_text(paths[0], "\n".join(lines))
    files.write_json(paths[1], found)
    return paths


def percent(values):
    """Write mean and standard deviation as text; a dash where there is nothing."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def rows(heads, cells):
    """Write the lines of a Markdown table: the first column is text, the others are numbers."""
    return [
        f"| {' | '.join(heads)} |",
        "|---" + "|---:" * (len(heads) - 1) + "|",
        *(f"| {' | '.join(line)} |" for line in cells),
    ]


def _table(table, level, with_paper):
    columns = list(next(iter(table.values())))
    cells = []
    for row, numbers in table.items():
        line = [row]
        for column in columns:
            cell = numbers[column]
            values = cell.values(level)
            if not with_paper:
                line.append(percent(values))
                continue
            paper = "-" if cell.paper is None else f"{cell.paper:.2f}"
            difference = "-"
            if values and cell.paper is not None:
                difference = f"{np.mean(values) - cell.paper:+.2f}"
            line.append(f"{paper}, {percent(values)}, {difference}")
        cells.append(line)
    return rows(["", *columns], cells)


def _unmeasured(table):
    """Name what was trained and could not be measured, a line each."""
    cells = {
        (run.folder, cell.records.name): run
        for numbers in table.values()
        for cell in numbers.values()
        for run in cell.runs
        if run.finished() and run.result(cell.records) is None
    }
    return [
        f"{files.name_of(folder)} is trained but not measured on {name}; see the command's errors"
        for folder, name in cells
    ]


def _runs(table):
    """List the different runs of a table."""
    cells = [cell for numbers in table.values() for cell in numbers.values()]
    return list({run.folder: run for cell in cells for run in cell.runs}.values())


def _plain(cell):
    return {
        "paper": cell.paper,
        "figure": cell.metric,
        "method": cell.method,
        "records": cell.records.name,
        "frame": cell.values("frame"),
        "video": cell.values("video"),
        "runs": [run.folder for run in cell.runs],
    }


def _over(seeds):
    if len(seeds) == 1:
        return f"one training, seed {seeds[0]}"
    return f"mean and standard deviation over the seeds {', '.join(map(str, seeds))}"
