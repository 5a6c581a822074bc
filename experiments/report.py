"""What an experiment found, beside what the paper says: a Markdown table and JSON."""

import dataclasses
import json
from importlib.metadata import version

import numpy as np

from experiments import datasets
from experiments.datasets import Records
from experiments.grid import Run
from lrl_keras import files, machine
from lrl_keras.printing import counted
from lrl_keras.training import Settings

# What Sec. 4.1 states, and what it leaves open.
_STATED = (
    "image_size",
    "patches",
    "alpha",
    "epochs",
    "batch_size",
    "learning_rate",
    "halve_every",
    "weight_decay",
    "similarity_weight",
    "mask_weight",
)
_SILENT = ("backbone", "weights", "head_epochs", "augment", "precision")
_PACKAGES = ("lrl-keras", "keras", "tensorflow", "numpy")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        runs: its trainings, one a seed.
        records: `Records` whose test split it is measured on.
        figure: name of the figure, as `lrl_keras.evaluation.evaluate` calls it.
        paper: the paper's number in percent, `None` where it has none.
    """

    runs: tuple[Run, ...]
    records: Records
    figure: str
    paper: float | None

    def values(self, level):
        """Ours in percent, one a seed that is done; `level` is `"frame"` or `"video"`."""
        found = [run.result(self.records) for run in self.runs]
        return [100 * result[level]["overall"][self.figure] for result in found if result]


def write(name, title, table, choice, records, notes=()):
    """Write `NAME.md` and `NAME.json` below the folder of the experiments.

    Args:
        name: of the experiment.
        title: heading.
        table: dict of row to dict of column to `Cell`.
        choice: `experiments.command.Choice`.
        records: the `Records` of the experiment.
        notes: further lines on what was not the same as in the paper.

    Returns:
        the two paths.
    """
    origin, found = provenance(_runs(table), records, choice, notes)
    lines = [
        *heading(title, choice),
        "Frame level, percent; mean and standard deviation over "
        f"{counted(len(choice.seeds), 'seed')}. Paper, ours, difference.",
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
    """The first lines of a report."""
    lines = [f"# {title}", ""]
    if choice.smoke:
        lines += ["**Smoke scale: this shows that it runs; the figures mean nothing.**", ""]
    return lines


def provenance(runs, records, choice, notes=()):
    """How it was found: what was the same as in the paper and what was not.

    Args:
        runs: the `Run`s of an experiment.
        records: its `Records`.
        choice: `experiments.command.Choice`.
        notes: further lines on what was not the same as in the paper.

    Returns:
        (lines of Markdown, dict of plain values).
    """
    same, different, silent = _comparison(runs, records)
    different += notes
    lines = [
        "## The same as in the paper",
        "",
        *_list(same),
        "",
        "## Not the same",
        "",
        *_list(different),
        "",
        "## Where the paper is silent, this was used",
        "",
        *_list(silent),
        "",
        "## How",
        "",
        f"    {choice.command}",
        "",
        f"{_hardware()}; {_versions()}. {_spent(runs)}",
        "",
    ]
    found = {
        "command": choice.command,
        "smoke": choice.smoke,
        "seeds": list(choice.seeds),
        "runs": {run.folder: _about(run) for run in runs},
        "records": {
            each.name: {
                "manifest_sha256": each.fingerprint,
                "source": each.manifest["source"],
                "arguments": each.manifest["arguments"],
                "gaps": list(datasets.gaps(each.manifest)),
            }
            for each in records
        },
        "same": same,
        "different": different,
        "silent": silent,
        "versions": {package: version(package) for package in _PACKAGES},
        "hardware": _hardware(),
    }
    return lines, found


def save(name, lines, found, choice):
    """Write lines of Markdown and what they are made from; returns the two paths."""
    paths = [files.join(choice.out, f"{name}.{kind}") for kind in ("md", "json")]
    files.make_folder(choice.out)
    files.write_text(paths[0], "\n".join(lines))
    files.write_text(paths[1], json.dumps(found, indent=1, sort_keys=True) + "\n")
    return paths


def percent(values):
    """Mean and standard deviation as text; a dash where there is nothing."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"


def rows(heads, cells):
    """Lines of a Markdown table: the first column is text, the others are numbers."""
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


def _comparison(runs, records):
    same, different, silent = [], [], []
    paper = {field.name: field.default for field in dataclasses.fields(Settings)}
    used = [run.settings for run in runs]
    for name in _STATED:
        ours = sorted({getattr(settings, name) for settings in used})
        line = f"{name}: {', '.join(map(str, ours))}"
        if ours == [paper[name]]:
            same.append(line)
        else:
            different.append(f"{line}; the paper: {paper[name]}")
    for name in _SILENT:
        ours = sorted({str(getattr(settings, name)) for settings in used})
        silent.append(f"{name}: {', '.join(ours)}")
    for each in records:
        arguments, gaps = each.manifest["arguments"], list(datasets.gaps(each.manifest))
        text = ", ".join(f"{key} {value}" for key, value in sorted(arguments.items()))
        silent.append(f"{each.name}: {text}")
        if gaps:
            different += [f"{each.name}: {gap}" for gap in gaps]
        else:
            same.append(f"{each.name}: nothing of the dataset is missing or unusable")
    done = sum(run.finished() for run in runs)
    if done < len(runs):
        different.append(f"only {done} of {len(runs)} trainings are finished")
    return same, different, silent


def _runs(table):
    """The different runs of a table."""
    cells = [cell for numbers in table.values() for cell in numbers.values()]
    return list({run.folder: run for cell in cells for run in cell.runs}.values())


def _plain(cell):
    return {
        "paper": cell.paper,
        "figure": cell.figure,
        "records": cell.records.name,
        "frame": cell.values("frame"),
        "video": cell.values("video"),
        "runs": [run.folder for run in cell.runs],
    }


def _about(run):
    return {
        "settings": dataclasses.asdict(run.settings),
        "records": run.records.name,
        "finished": run.finished(),
        "seconds": run.seconds(),
    }


def _list(lines):
    return [f"- {line}" for line in lines] or ["- nothing"]


def _hardware():
    return f"{machine.cores()} cores of {machine.processor()}"


def _versions():
    return ", ".join(f"{package} {version(package)}" for package in _PACKAGES)


def _spent(runs):
    hours = sum(run.seconds() for run in runs) / 3600
    return f"Training of all runs together: {hours:.2f} hours."
