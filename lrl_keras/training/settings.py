"""Settings of a training run, and the options that they are chosen from."""

from __future__ import annotations

import dataclasses
import os
import types
from collections.abc import Iterable
from typing import Any

from lrl_keras.data.augment.choices import AUGMENTATIONS
from lrl_keras.data.records import names_of
from lrl_keras.errors import InputError
from lrl_keras.models import DETECTORS, detector
from lrl_keras.optimizers import SCHEDULES
from lrl_keras.saving.run import CONFIG, Run
from lrl_keras.system.options import Option, complete

DETECTOR = Option("lrl", "the network", DETECTORS)
# Those of every training; a detector adds its own.
OPTIONS = {
    "protocol": Option(
        "paper",
        "whose training the defaults are: paper, that of the detector's authors or of those who "
        "compared it; lrl, that of LRL for every detector",
        ("paper", "lrl"),
    ),
    "start": Option(
        None,
        "run whose weights training begins with, or the word default: the shipped detector",
        metavar="RUN",
        type=str,
        stated="none",
    ),
    "methods": Option(
        None,
        "forgery methods to train on and to choose the best epoch by",
        metavar="METHOD",
        type=str,
        many=True,
        stated="all",
    ),
    "head_epochs": Option(
        0, "first epochs that leave the backbones as they are", least=0, most=1_000_000
    ),
    "frozen_norm": Option(False, "leave the backbones' BatchNormalization as it was at the start"),
    "epochs": Option(50, "passes over the balanced training split", least=1, most=1_000_000),
    "batch_size": Option(32, "faces a step, over all GPUs", least=1, most=1_000_000),
    "learning_rate": Option(2e-4, "of the first epoch", least=1e-12, most=1e300),
    "schedule": Option("halving", "of the learning rate", SCHEDULES),
    "weight_decay": Option(1e-5, "L2 factor, added to the gradient", least=0, most=1),
    "averaging": Option(
        0.0, "momentum of the average of weights that is kept", least=0, most=0.99999
    ),
    "augment": Option(
        "flip",
        "random changes of the faces; "
        + "; ".join(f"{name}: {each.help}" for name, each in AUGMENTATIONS.items()),
        AUGMENTATIONS,
    ),
    "cache": Option(False, "keep the decoded training faces in memory"),
    "precision": Option(
        "auto",
        "auto is mixed_float16 on a GPU, float32 elsewhere",
        ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
    ),
    "seed": Option(0, "of weights, order and augmentation", least=0, most=2**32 - 1),
}


def options(name: str, protocol: str | None = None) -> dict[str, Option]:
    """Return all options of the training of a detector, `Option` by name.

    Args:
        name: one of `lrl_keras.models.DETECTORS`.
        protocol: `"lrl"` for LRL's defaults of those that every training has.
    """
    kind, found = detector(name), common_options()
    if protocol != "lrl":
        for each, default in kind.DEFAULTS.items():
            found[each] = dataclasses.replace(found[each], default=default)
    return {**found, **kind.OPTIONS, **kind.LOSS_OPTIONS}


def common_options() -> dict[str, Option]:
    """Return the options of every training, `Option` by name: `OPTIONS` and those of schedules."""
    found = dict(OPTIONS)
    for schedule in SCHEDULES.values():
        found |= schedule.OPTIONS
    return found


class Settings:
    """Settings of a training, each an attribute; by default the paper's, where it has them.

    Args:
        detector: one of `lrl_keras.models.DETECTORS`.
        **given: values of `options(detector)` that differ from the defaults.

    Raises:
        InputError: an option that this detector does not have, or a value that it does not take.
    """

    __slots__ = ("_values", "detector")

    def __init__(self, detector: str = "lrl", **given: Any) -> None:
        declared = options(detector, given.get("protocol"))
        if (schedule := given.get("schedule")) is not None and schedule not in SCHEDULES:
            raise InputError(
                f"schedule must be one of {', '.join(SCHEDULES)}; make one of your own a row of "
                f"lrl_keras.optimizers.SCHEDULES first. Received: {schedule!r}"
            )
        values = complete(declared, given, f"the training of {detector}")
        values["methods"] = names_of(values["methods"])
        for name, value in values.items():
            owners = [key for key, kind in SCHEDULES.items() if name in kind.OPTIONS]
            if owners and values["schedule"] not in owners and value != declared[name].default:
                raise InputError(
                    f"{name} is an option of `schedule={owners[0]}`; give that too, or leave it out"
                )
        if values["averaging"] and values["head_epochs"] >= values["epochs"]:
            raise InputError("averaging needs an epoch that trains all; head_epochs must be fewer")
        object.__setattr__(self, "detector", detector)
        object.__setattr__(self, "_values", types.MappingProxyType(values))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._values:
            raise AttributeError(f"the training of {self.detector} has no option {name!r}")
        return self._values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"settings stay as they are; replace({name}={value!r}) makes others")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Settings) and self.content() == other.content()

    def __hash__(self) -> int:
        return hash(tuple(self.content().items()))

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.chosen().items())
        return f"Settings({self.detector!r}{given})"

    def __reduce__(self):
        return _settings, (self.content(),)

    def content(self) -> dict[str, Any]:
        """Return all values by name, as `config.json` holds them and `Settings` takes them."""
        return {"detector": self.detector, **self._values}

    def chosen(self) -> dict[str, Any]:
        """Return the values by name that are not the defaults."""
        declared = options(self.detector)
        return {
            name: value for name, value in self._values.items() if value != declared[name].default
        }

    def replace(self, **given: Any) -> Settings:
        """Return these settings with other values."""
        return Settings(**{**self.content(), **given})

    def of(self, declared: Iterable[str]) -> dict[str, Any]:
        """Return the values of the options in `declared` by name."""
        return {name: self._values[name] for name in declared}

    def words(self) -> dict[str, bool | int | float | str]:
        """Return all values by name, each a bool, a number or a text."""
        found = self.content()
        if self.methods is not None:
            found["methods"] = ", ".join(self.methods)
        return {name: "none" if value is None else value for name, value in found.items()}


def _settings(content):
    return Settings(**content)


def saved_settings(run: str | os.PathLike[str] | Run) -> Settings:
    """Return the `Settings` that a run, its folder or its `saving.run.Run`, was started with.

    Raises:
        InputError: it was not trained, or with settings that no longer exist.
    """
    run = Run.open(run)
    if not isinstance(run.settings, dict):
        raise InputError(f"{run.path(CONFIG)}: has no settings; the run cannot be resumed")
    try:
        return Settings(**run.settings)
    except InputError as error:
        raise InputError(f"{run.path(CONFIG)}: {error}; the run cannot be resumed") from None
