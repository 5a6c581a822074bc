"""The origin of an experiment's results: versions, records, and how it differs from the paper."""

import collections
import platform
from importlib.metadata import version

from experiments.study import datasets
from lrl_keras.data.records import ALL
from lrl_keras.saving import run as saving
from lrl_keras.system import hardware
from lrl_keras.training.settings import options

# Settings that Sec. 4.1 states; `_SILENT` are those that it leaves open.
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
# Our defaults that differ from the paper, by the setting that stands for each.
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
# Networks that the paper trains itself; of the others it quotes results.
_TRAINED_THERE = ("lrl", "classifier")
_OF_OTHERS = (
    "protocol",
    "image_size",
    "epochs",
    "batch_size",
    "learning_rate",
    "schedule",
    "weight_decay",
)
_PAPER = {name: option.default for name, option in options("lrl").items()}
# They compute the metrics; the packages of the networks are named beside them.
_PACKAGES = ("numpy", "scipy")


def describe(runs, records, choice, notes=()):
    """Describe how results were found: what was the same as in the paper and what was not.

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


def _comparison(runs, records):
    same, different, silent = [], [], []
    used = [run.settings for run in runs]
    ours = [settings for settings in used if settings.detector == "lrl"]
    trained_there = [each.content() for each in used if each.detector in _TRAINED_THERE]
    for name in _STATED:
        values = sorted({each[name] for each in trained_there if name in each})
        if not values:
            continue
        line = f"{name}: {', '.join(map(str, values))}"
        if values == [_PAPER[name]]:
            same.append(line)
        else:
            different.append(f"{line}; the paper: {_PAPER[name]}")
    for name, text in _OTHERWISE.items():
        has = [each for each in ours if each.similarity or name not in _OF_SIMILARITY]
        if any(getattr(each, name) == _PAPER[name] for each in has):
            different.append(text)
    baselines = {each.backbone for each in used if each.detector in ("classifier", "xception")}
    others = baselines - {_BASELINE}
    if others:
        different.append(f"the classifier: {', '.join(sorted(others))}; the paper: {_BASELINE}")
    for settings in {each.detector: each for each in used}.values():
        if settings.detector not in _TRAINED_THERE:
            values = [f"{name} {settings.content()[name]}" for name in _OF_OTHERS]
            silent.append(f"{settings.detector}: {', '.join(values)}")
    for name in _SILENT:
        silent += [f"{name}: {text}" for text in _by_detector(used, name)]
    for each in records:
        arguments, gaps = each.opened.arguments, list(datasets.gaps(each.opened))
        text = ", ".join(f"{key} {value}" for key, value in sorted(arguments.items()))
        silent.append(f"{each.name}: {text}; {measured_faces(each)}")
        if gaps:
            different += [f"{each.name}: {gap}" for gap in gaps]
        elif each.opened.source in datasets.OFFICIAL:
            same.append(f"{each.name}: nothing of the dataset is missing or unusable")
    done = sum(run.finished() for run in runs)
    if done < len(runs):
        different.append(f"only {done} of {len(runs)} trainings are finished")
    return same, different, silent


def _by_detector(used, name):
    """List the values of a setting, apart for each detector where they differ."""
    found = {}
    for settings in used:
        if name in settings.content():
            found.setdefault(settings.detector, set()).add(str(settings.content()[name]))
    texts = {kind: ", ".join(sorted(values)) for kind, values in found.items()}
    if len(set(texts.values())) == 1:
        return list(texts.values())[:1]
    return [f"{text} ({kind})" for kind, text in texts.items()]


def measured_faces(records):
    """Say how many faces of `Records` networks are measured on."""
    faces = collections.Counter()
    for split, kinds in records.opened.counts.items():
        if records.split in (split, ALL):
            for kind, methods in kinds.items():
                faces[kind] += sum(found["examples"] for found in methods.values())
    where = "all splits" if records.split == ALL else records.split
    return f"{where}: {faces['real']} real and {faces['fake']} forged faces"


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
    """Name the versions that the runs were trained with, once each."""
    found = {
        ", ".join(f"{package} {number}" for package, number in sorted(run.versions().items()))
        for run in runs
    }
    return "; ".join(sorted(found - {""})) or "nothing yet"


def _spent(runs):
    hours = sum(run.seconds() for run in runs) / 3600
    return f"Training of all runs together: {hours:.2f} hours."
