"""Many trainings: their folders, their state and their results.

A run's folder is named after its settings and its records, so that experiments that need the same
training share it, and so that other settings never meet the results of these.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import sys
import time

import keras

from experiments.study.datasets import Records
from lrl_keras.errors import InputError
from lrl_keras.evaluation import evaluator
from lrl_keras.saving import run as saving
from lrl_keras.system import files
from lrl_keras.training import trainer

_SECONDS = "seconds.json"
_METRICS = "metrics.json"


@dataclasses.dataclass(frozen=True)
class Training:
    """One training and what it is measured on.

    Attributes:
        settings: `lrl_keras.training.Settings`.
        records: `experiments.study.datasets.Records` that it is trained on.
        out: folder of the experiments.
        before: the `Training` that its settings start from, trained first; `None`: none.
    """

    settings: trainer.Settings
    records: Records
    out: str
    before: Training | None = None

    @property
    def folder(self):
        """Folder of the run; the records must be there."""
        # A new setting leaves the old names as they are.
        chosen = {"detector": self.settings.detector, **self.settings.chosen()}
        chosen.pop("cache", None)  # Changes nothing but the speed.
        if self.before is not None:
            chosen["start"] = files.name_of(self.before.folder)  # Wherever OUT lies.
        identity = json.dumps([chosen, self.records.fingerprint], sort_keys=True)
        digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
        return files.join(self.out, "runs", f"{self.records.name}-{self._words()}-{digest}")

    def _words(self):
        settings = self.settings
        parts = ("frequency", "rfam", "similarity", "head_norm")
        chosen = settings.chosen()
        without = [f"no-{part.replace('_', '-')}" for part in parts if chosen.get(part) is False]
        methods = [] if settings.methods is None else sorted(settings.methods)
        backbone = settings.content().get("backbone")
        words = [settings.detector, *([backbone] if backbone else []), *without, *methods]
        return "-".join([*words, f"seed{settings.seed}"])

    def result(self, records, methods=None):
        """Read the metrics of `measure`, `None` where `records` are not measured yet."""
        path = files.join(self._place(records, methods), _METRICS)
        if not files.exists(path):
            return None
        found = read_json(path)
        return found if found.get("manifest_sha256") == records.fingerprint else None

    def measure(self, records, methods=None):
        """Score the split of `records` that is measured, unless that is done.

        Args:
            records: `Records`.
            methods: forgery methods to measure; default: those of the training.

        Returns:
            what `lrl_keras.evaluation.evaluate` gives.
        """
        found = self.result(records, methods)
        if found is not None:
            return found
        return evaluator.evaluate(
            self.network(),
            records.folder,
            records.split,
            methods=methods or self.settings.methods,
            batch_size=self.settings.batch_size,
            out=self._place(records, methods),
        )

    def train(self, verbose):
        """Train, or go on where an interrupted training was; nothing if it is finished."""
        if self.finished():
            return
        if self.before is not None:
            self.before.train(verbose)
        before, start = self.seconds(), time.monotonic()
        begun = saving.Run.exists(self.folder)
        try:
            trainer.train(
                self.records.folder, self.folder, self.settings, resume=begun, verbose=verbose
            )
        finally:
            spent = before + time.monotonic() - start
            files.write_text(files.join(self.folder, _SECONDS), json.dumps(spent) + "\n")

    def network(self):
        """Load the trained network.

        Raises:
            InputError: naming the file of the run that is missing or damaged.
        """
        try:
            return saving.load(self.folder)
        except InputError as error:
            raise InputError(
                f"{error}; remove {self.folder} and give the command again to train it anew"
            ) from None

    def finished(self):
        """Tell whether all epochs are done."""
        return len(self._aucs()) >= self.settings.epochs

    def best_auc(self):
        """Read the highest AUC on its validation split, of the epochs that are done."""
        return max(self._aucs())

    def _aucs(self):
        """Read the AUC on its validation split, one an epoch that is done."""
        path = files.join(self.folder, "history.csv")
        if not files.exists(path):
            return []
        try:
            rows = csv.DictReader(files.read_bytes(path).decode().splitlines())
            return [float(row["val_label_auc"]) for row in rows]
        except (UnicodeDecodeError, KeyError, TypeError, ValueError, csv.Error):
            raise InputError(
                f"{path}: damaged; remove {self.folder} and give the command again to train it anew"
            ) from None

    def seconds(self):
        """Read the time that its training took so far, over all attempts that were not killed."""
        path = files.join(self.folder, _SECONDS)
        return read_json(path, float) if files.exists(path) else 0.0

    def versions(self):
        """Read the versions of the packages that it was begun with; none before."""
        if not saving.Run.exists(self.folder):
            return {}
        return saving.Run.open(self.folder).versions

    def _place(self, records, methods):
        parts = [records.split, records.name, *sorted(methods or ())]
        return files.join(self.folder, "-".join(parts))


def read_json(path, kind=dict):
    """Read the findings of a run from a file that can be made again.

    Args:
        path: the file.
        kind: type that it holds.

    Raises:
        InputError: it is damaged.
    """
    try:
        found = json.loads(files.read_bytes(path))
    except ValueError:
        found = None
    if not isinstance(found, kind):
        raise InputError(f"{path}: damaged; remove it and give the command again")
    return found


def runs(choice, records, network, **others):
    """Make a `Training` for each seed.

    Args:
        choice: `experiments.study.command.Choice`.
        records: `Records` to train on.
        network: one of `experiments.study.networks`.
        **others: further settings.
    """
    return tuple(
        Training(choice.settings(seed, **network, **others), records, choice.out)
        for seed in choice.seeds
    )


@dataclasses.dataclass(frozen=True)
class Task:
    """A run and one set of records that it is measured on."""

    run: Training
    records: Records
    methods: tuple[str, ...] | None = None


def work(tasks, index=0, of=1, verbose=2):
    """Train and measure a share of the tasks' runs.

    Args:
        tasks: list of `Task`.
        index, of: this machine's share: every `of`-th run, from the `index`-th.
        verbose: as in `keras.Model.fit`.

    Returns:
        list of lines, one for each run that failed; the others are done nevertheless.
    """
    grouped = {}
    for task in tasks:
        grouped.setdefault(task.run.folder, []).append(task)
    failures = []
    mine = list(grouped.items())[index::of]
    for number, (folder, wanted) in enumerate(mine, 1):
        print(f"[{number}/{len(mine)}] {folder}", file=sys.stderr, flush=True)
        try:
            wanted[0].run.train(verbose)
            for task in wanted:
                task.run.measure(task.records, task.methods)
            # The networks before it would stay in memory.
            keras.utils.clear_session()
        except (InputError, FloatingPointError) as error:
            text = str(error)
            failures.append(text if text.startswith(folder) else f"{folder}: {text}")
    return failures
