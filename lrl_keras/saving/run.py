"""The run directory: its model and its training, written and read."""

from __future__ import annotations

import functools
import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrl_keras.errors import InputError
from lrl_keras.models import detector
from lrl_keras.saving.checkpoints import load_weights, save_weights
from lrl_keras.saving.config import CONFIG, SCHEMA_VERSION, check_modules, read
from lrl_keras.system import files

if TYPE_CHECKING:
    from lrl_keras.models import Detector

# The name of the detector that comes with this package.
DEFAULT = "default"
SHIPPED = Path(__file__).with_name("shipped")
BEST = "best.weights.h5"
# What two networks of the same weights may differ in.
_FREE = ("name", "image_size", "crop_size", "crop_margin")


class Run:
    """A run directory: the contents of its `config.json`, and its network.

    Attributes:
        name: as the user gave it.
        folder: where it lies, a path or URL.
        detector: name of its network in `lrl_keras.models.DETECTORS`.
        settings: dict of the settings that it was trained with; `None` where it was not trained
            by `lrl-keras train`.
        records: SHA-256 of the manifest of the records that it was trained on, or `None`.
        start: SHA-256 of the weights that its training began with, or `None`.
        calibration: dict of `scale` and `shift` of its label's logit, or `None`.
        versions: dict of the packages that it was made with.
    """

    def __init__(
        self, name: str | os.PathLike[str], folder: str | os.PathLike[str], config: dict[str, Any]
    ) -> None:
        self.name, self.folder = str(name), str(folder)
        self._model = config["model"]
        # Older runs call it `architecture`, the first ones say nothing.
        self.detector = config.get("detector", config.get("architecture", "lrl"))
        self.settings = config.get("settings")
        if isinstance(self.settings, dict) and "architecture" in self.settings:
            self.settings["detector"] = self.settings.pop("architecture")
        self.records = config.get("records", {}).get("manifest_sha256")
        self.start = config.get("start", {}).get("weights_sha256")
        self.calibration = config.get("calibration")
        self.versions = config.get("versions", {})

    @classmethod
    def open(cls, run: str | os.PathLike[str] | Run) -> Run:
        """Read the configuration of a run; a `Run` is returned as it is.

        Args:
            run: folder that `lrl-keras train` wrote, also a URL; `"default"`, the detector that
                comes with this package; or a `Run`.

        Raises:
            InputError: naming the file that is missing, damaged or of another schema version.
        """
        if isinstance(run, Run):
            return run
        folder = SHIPPED if run == DEFAULT else run
        return cls(run, folder, read(folder))

    @classmethod
    def create(cls, folder: str | os.PathLike[str], model: Detector, about: dict[str, Any]) -> Run:
        """Write the `config.json` of a new run.

        Args:
            folder: of the run, also a URL.
            model: its network, one of `lrl_keras.models.DETECTORS`.
            about: JSON-able dict of further facts.
        """
        known = {"detector": model.NAME, "model": model.get_config(), "versions": versions()}
        config = {"schema_version": SCHEMA_VERSION, **about, **known}
        files.write_json(files.join(folder, CONFIG), config)
        return cls.open(folder)

    @staticmethod
    def exists(folder: str | os.PathLike[str]) -> bool:
        """Return whether a folder holds a run."""
        return folder == DEFAULT or files.exists(files.join(folder, CONFIG))

    def __str__(self) -> str:
        return self.name

    def path(self, *names: str) -> str:
        """Return the path of a file of the run."""
        return files.join(self.folder, *names)

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the run's best weights.

        Raises:
            InputError: naming the file that is missing.
        """
        return files.sha256(self._best())

    def network(self) -> Detector:
        """Build its network with the best weights, see `load`."""
        source = self.path(CONFIG)
        try:
            kind = detector(self.detector)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
        check_modules(self._model, source)
        if isinstance(self._model, dict) and "weights" in self._model:
            # They would be downloaded, or read from a file of the reader's machine.
            raise InputError(f"{source}: names weights to begin with; a run holds its own, {BEST}")
        try:
            model = kind.from_config(self._model)
        except (AttributeError, ImportError, KeyError, TypeError, ValueError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise InputError(f"{source}: no valid model configuration ({reason})") from error
        for name, least, most in (("crop_margin", 1, 3), ("crop_size", 1, 4096)):
            if not least <= getattr(model, name) <= most:
                raise InputError(
                    f"{source}: {name} must be from {least} to {most}. "
                    f"Received: {getattr(model, name)!r}"
                )
        load_weights(model, self._best())
        return model

    def load_weights(self, model: Detector) -> None:
        """Give `model` its best weights.

        Raises:
            InputError: naming the file that is missing or damaged, or what is other in that
                network.
        """
        if self.detector != model.NAME:
            raise InputError(
                f"{self}: holds a network of `detector={self.detector}`; give that, or another run"
            )
        other = {
            name: self._model[name]
            for name, value in model.get_config().items()
            if name not in _FREE and self._model.get(name, value) != value
        }
        wanted = ", ".join(f"`{name}={value}`" for name, value in other.items())
        load_weights(
            model, self._best(), f"give {wanted or 'the settings'} of that run, or another run"
        )

    def _best(self):
        path = self.path(BEST)
        if not files.exists(path):
            raise InputError(
                f"{path}: not found; where no epoch was finished yet, train on with `resume=True`"
            )
        return path


def load(run: str | os.PathLike[str]) -> Detector:
    """Load the trained model of a run directory, in inference form.

    The architecture is built from `config.json` by this package and only numbers are read from the
    weights file, so a stranger's run directory runs no code.

    Args:
        run: folder that `lrl-keras train` wrote, also a URL; or `"default"`, the detector that
            comes with this package.

    Returns:
        one of `lrl_keras.models.DETECTORS` with the best weights, not compiled, under the
        dtype policy in force.

    Raises:
        InputError: naming the file that is missing, damaged or does not fit.
    """
    return Run.open(run).network()


def save(
    model: Detector,
    run: str | os.PathLike[str],
    *,
    half: bool = False,
    about: dict[str, Any] | None = None,
) -> None:
    """Write a network as a run directory that `load` reads; it has no history and no records.

    Args:
        model: one of `lrl_keras.models.DETECTORS`.
        run: folder, also a URL; must not hold a run already.
        half: whether kernels are stored in float16.
        about: JSON-able dict of further facts for `config.json`.

    Raises:
        InputError: `run` holds a run, or cannot be written.
        ValueError: a weight is not finite.
    """
    refuse_default(run)
    files.make_folder(run)
    if Run.exists(run):
        raise InputError(f"{run}: holds a run already; name another folder")
    save_weights(model, files.join(run, BEST), half=half)
    Run.create(run, model, about or {})


def refuse_default(run: str | os.PathLike[str]) -> None:
    """Raise `InputError` where a run is to be written under the name of the shipped detector."""
    if run == DEFAULT:
        raise InputError(
            f"{run}: the name of the shipped detector; name another folder, such as ./{run}-2"
        )


def versions() -> dict[str, str]:
    """Return the versions of the packages that a network is made with."""
    return {name: metadata.version(name) for name in ("lrl-keras", "keras", "tensorflow")}
