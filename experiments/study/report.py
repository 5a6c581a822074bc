"""What an experiment found, beside what the paper says: a Markdown table and JSON."""

import dataclasses
import json
import platform
from importlib.metadata import version

import numpy as np

from experiments.study import datasets
from experiments.study.datasets import Records
from experiments.study.grid import Training
from lrl_keras.saving import run as saving
from lrl_keras.system import files, hardware
from lrl_keras.training.settings import options

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
# What we do otherwise than the paper by default, by the setting that stands for it.
_OTHERWISE = {
    "similarity_norm": "similarity loss: mean square of the entries; the paper: L2 norm, Eq. (10)",
    "pixel_reduction": "mask loss: mean over the pixels; the paper: sum, Eq. (12)",
    "head_norm": "label: from the standardised similarity; the paper: from the similarity",
}
_OF_SIMILARITY = ("similarity_norm", "head_norm")
_SILENT = (
    "backbone",
    "weights",
    "head_epochs",
    "decoder",
    "attend_streams",
    "augment",
    "precision",
)
# Of the networks of the paper's tables; that of LRL is not named.
_BASELINE = "xception"
_PAPER = {name: option.default for name, option in options("lrl").items()}
# Of the figures, beside what the networks are made with.
_PACKAGES = ("numpy", "scipy")


@dataclasses.dataclass(frozen=True)
class Cell:
    """One number of a table.

    Attributes:
        runs: its trainings, one a seed.
        records: `Records` whose test split it is measured on.
        figure: name of the figure, as `lrl_keras.evaluation.evaluate` calls it.
        paper: the paper's number in percent, `None` where it has none.
    """

    runs: tuple[Training, ...]
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
        choice: `experiments.study.command.Choice`.
        records: the `Records` of the experiment.
        notes: further lines on what was not the same as in the paper.

    Returns:
        the two paths.
    """
    notes = [*notes, *_unmeasured(table)]
    origin, found = provenance(_runs(table), records, choice, notes)
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
    """The first lines of a report."""
    lines = [f"# {title}", ""]
    if choice.smoke:
        lines += ["**Smoke scale: this shows that it runs; the figures mean nothing.**", ""]
    return lines


def provenance(runs, records, choice, notes=()):
    """How it was found: what was the same as in the paper and what was not.

    Args:
        runs: the `Training`s of an experiment.
        records: its `Records`.
        choice: `experiments.study.command.Choice`.
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
        f"Trained with {_versions(runs)}. {_spent(runs)} Written on {_hardware()}, with "
        f"{', '.join(f'{name} {number}' for name, number in _own_versions().items())}.",
        "",
        f"Seeds: {', '.join(map(str, choice.seeds))}. Records, by the SHA-256 of their manifest:",
        "",
        *_list([f"{each.name}: {each.fingerprint}" for each in records]),
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
                "source": each.opened.source,
                "arguments": each.opened.arguments,
                "gaps": list(datasets.gaps(each.opened)),
            }
            for each in records
        },
        "same": same,
        "different": different,
        "silent": silent,
        "versions_of_report": _own_versions(),
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
    used = [run.settings for run in runs]
    ours = [settings for settings in used if settings.detector == "lrl"]
    for name in _STATED:
        values = sorted({each.content()[name] for each in used if name in each.content()})
        line = f"{name}: {', '.join(map(str, values))}"
        if values == [_PAPER[name]]:
            same.append(line)
        else:
            different.append(f"{line}; the paper: {_PAPER[name]}")
    for name, text in _OTHERWISE.items():
        has = [each for each in ours if each.similarity or name not in _OF_SIMILARITY]
        if any(getattr(each, name) == _PAPER[name] for each in has):
            different.append(text)
    others = {each.backbone for each in used if each.detector == "classifier"} - {_BASELINE}
    if others:
        different.append(f"the classifier: {', '.join(sorted(others))}; the paper: {_BASELINE}")
    for name in _SILENT:
        silent += [f"{name}: {text}" for text in _by_detector(used, name)]
    for each in records:
        arguments, gaps = each.opened.arguments, list(datasets.gaps(each.opened))
        text = ", ".join(f"{key} {value}" for key, value in sorted(arguments.items()))
        silent.append(f"{each.name}: {text}; {_test_faces(each.opened)}")
        if gaps:
            different += [f"{each.name}: {gap}" for gap in gaps]
        elif each.opened.source in datasets.OFFICIAL:
            same.append(f"{each.name}: nothing of the dataset is missing or unusable")
    done = sum(run.finished() for run in runs)
    if done < len(runs):
        different.append(f"only {done} of {len(runs)} trainings are finished")
    return same, different, silent


def _by_detector(used, name):
    """The values of a setting, apart for each detector where they differ."""
    found = {}
    for settings in used:
        if name in settings.content():
            found.setdefault(settings.detector, set()).add(str(settings.content()[name]))
    texts = {kind: ", ".join(sorted(values)) for kind, values in found.items()}
    if len(set(texts.values())) == 1:
        return list(texts.values())[:1]
    return [f"{text} ({kind})" for kind, text in texts.items()]


def _test_faces(records):
    faces = {
        kind: sum(found["examples"] for found in methods.values())
        for kind, methods in records.counts.get("test", {}).items()
    }
    return f"test: {faces.get('real', 0)} real and {faces.get('fake', 0)} forged faces"


def _unmeasured(table):
    """Lines that name what was trained and could not be measured."""
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
        "settings": run.settings.content(),
        "records": run.records.name,
        "finished": run.finished(),
        "seconds": run.seconds(),
        "versions": run.versions(),
    }


def _list(lines):
    return [f"- {line}" for line in lines] or ["- nothing"]


def _own_versions():
    own = {name: version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **saving.versions(), **own}


def _hardware():
    return f"{hardware.cores()} cores of {hardware.processor()}"


def _versions(runs):
    """Versions that the runs were trained with, once each."""
    found = {
        ", ".join(f"{package} {number}" for package, number in sorted(run.versions().items()))
        for run in runs
    }
    return "; ".join(sorted(found - {""})) or "nothing yet"


def _over(seeds):
    if len(seeds) == 1:
        return f"one training, seed {seeds[0]}"
    return f"mean and standard deviation over the seeds {', '.join(map(str, seeds))}"


def _spent(runs):
    hours = sum(run.seconds() for run in runs) / 3600
    return f"Training of all runs together: {hours:.2f} hours."
