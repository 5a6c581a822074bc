"""Training of a run on records with `model.fit`, which may be stopped at any moment."""

from __future__ import annotations

import contextlib
import fcntl
import os
import warnings

import keras
import tensorflow as tf

from lrl_keras import data
from lrl_keras.data.augment import AUGMENTATIONS
from lrl_keras.data.manifest import MANIFEST
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError
from lrl_keras.models.detector import Detector
from lrl_keras.saving.run import CONFIG, Run, refuse_default
from lrl_keras.system import files, process
from lrl_keras.training import callbacks, tensorboard
from lrl_keras.training.cpu.repeatable import repeatable
from lrl_keras.training.networks import build, compile, precision
from lrl_keras.training.settings import Settings, saved_settings

__all__ = ["Settings", "build", "compile", "saved_settings", "train"]

# Settings that a resumed run may change.
_FREE = ("epochs", "cache")


def train(
    records: str | os.PathLike[str] | Records,
    run: str | os.PathLike[str],
    settings: Settings | None = None,
    *,
    resume: bool = False,
    verbose: str | int = "auto",
) -> Detector:
    """Train a model and write a run directory.

    On a CPU the same records and settings give the same weights bit for bit, also when the run was
    killed and resumed: the state is saved after every epoch, and an interrupted epoch is repeated.

    Args:
        records: folder or URL of finished records with the splits `train` and `val`, or
            `lrl_keras.data.Records`.
        run: folder or URL to write; must not hold a run already, unless `resume`.
        settings: `Settings`. Defaults to the paper's, or with `resume` to those of the run.
        resume: whether to go on with the run in `run` (from its beginning if it saved nothing yet).
            Only `epochs` and `cache` may then differ from the run's own settings.
        verbose: as in `keras.Model.fit`.

    Returns:
        the trained network, one of `lrl_keras.models.DETECTORS`, with the weights of the last
        epoch. The best by validation AUC are in `run` and are what `lrl_keras.load` reads.

    Raises:
        InputError: on records, settings or a run directory that cannot be used.
        FloatingPointError: if the training stops being finite, or stops advancing.
    """
    run = os.fspath(run)
    refuse_default(run)
    files.require(run)
    records = Records.open(records)
    if files.exists(files.join(run, MANIFEST)):
        raise InputError(f"{run}: holds records; name another folder for the run")
    with _locked(run):
        settings = _agree(run, settings, records.fingerprint, resume)
        with repeatable(settings.seed), precision(settings.precision):
            return _fit(records, run, settings, verbose)


@contextlib.contextmanager
def _locked(folder):
    """Make the folder of a run, and keep other processes from training in it."""
    files.make_folder(folder)
    if files.is_url(folder):  # Object stores have no locks.
        yield
        return
    with open(files.join(folder, ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder}: another process is training this run") from None
        yield


def _fit(records, run, settings, verbose):
    # The best epoch is chosen by the AUC, which needs both.
    records.split("val", methods=settings.methods).check_both_classes()
    keeper = callbacks.Checkpoints(run)
    # Pretrained weights would be overwritten, and may no longer be at hand.
    begun = bool(keeper.states())
    without = "weights" in settings.content() and (begun or settings.start)
    weights = {"weights": None} if without else {}
    with _strategy(settings).scope():
        model = build(settings.replace(**weights), records)
        if settings.start and not begun:
            Run.open(settings.start).load_weights(model)
        compile(model, settings)
        model.optimizer.build(model.trainable_variables)
    source = {
        "image_size": settings.image_size,
        "batch_size": settings.batch_size,
        "methods": settings.methods,
        "seed": settings.seed,
        "frames": model.frames,
        "xray": "xray" in model.output,
    }
    # Compressed as the training faces are, the same in every epoch, so that the best epoch is one
    # for compressed video.
    damaged = settings.augment if AUGMENTATIONS[settings.augment].validated else None
    validation = data.load(records, split="val", augment=damaged, **source)
    training = data.load(
        records, split="train", augment=settings.augment, cache=settings.cache, **source
    )
    if not Run.exists(run):
        about = {
            "settings": settings.content(),
            "process": process.switches(),
            "records": {"manifest_sha256": records.fingerprint, "counts": records.counts},
        }
        if settings.start:
            about["start"] = {"weights_sha256": Run.open(settings.start).fingerprint}
        Run.create(run, model, about)

    logs = files.join(run, "logs")
    epoch = keeper.restore(model)
    if epoch >= settings.epochs:
        return model
    # Most detectors have nothing to adapt: no second reading of the records is prepared for them.
    if epoch == 0 and not settings.start and type(model).adapt is not Detector.adapt:
        model.adapt(
            data.load(
                records,
                split="train",
                augment=settings.augment,
                drop_remainder=False,
                verify=False,
                **source,
            )
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*shuffle=True.*")
        # `adapt` has set the weights of a detector that has none of these.
        warnings.filterwarnings("ignore", message=".*not have any trainable weights.*")
        model.fit(
            training,
            validation_data=validation,
            initial_epoch=epoch,
            epochs=settings.epochs,
            shuffle=False,
            verbose=verbose,
            callbacks=[
                callbacks.DataEpoch(training),
                callbacks.HeadFirst(settings.head_epochs),
                callbacks.StopWhenBroken(),
                keras.callbacks.TensorBoard(logs, write_graph=False),
                tensorboard.Images(files.join(logs, "pictures"), validation),
                tensorboard.PrecisionRecall(files.join(logs, "curves")),
                keeper,
                callbacks.Averaged(),
                tensorboard.Hyperparameters(
                    files.join(logs, "hparams"),
                    {"records": records.folder, **settings.words()},
                    # TensorBoard shows the beginning, and takes rows of one name for one.
                    f"{files.name_of(run)} ({run})",
                    keeper,
                ),
            ],
        )
    return model


def _agree(run, settings, fingerprint, resume):
    """Return the settings to train with, which agree with those that `run` was started with."""
    if not Run.exists(run):
        if resume and files.exists(files.join(run, "checkpoints")):
            raise InputError(f"{files.join(run, CONFIG)}: missing; the run cannot be resumed")
        return settings or Settings()
    if not resume:
        raise InputError(
            f"{run}: holds a run already; go on with `resume=True` or name another folder"
        )
    begun = Run.open(run)
    saved = saved_settings(begun)
    if begun.records != fingerprint:
        raise InputError(f"{run}: was trained on other records; give the same ones or a new folder")
    settings = settings or saved
    given = settings.content()
    for name, before in saved.content().items():
        now = given.get(name)
        if name == "start" and before and now:  # They may lie elsewhere now.
            before, now = begun.start, Run.open(now).fingerprint
        if name not in _FREE and before != now:
            raise InputError(
                f"{run}: was started with {name}={before!r}, received {now!r}; leave it out "
                "with `resume=True`, or start a new folder"
            )
    return settings


def _strategy(settings):
    gpus = tf.config.list_physical_devices("GPU")
    if len(gpus) < 2:
        return tf.distribute.get_strategy()
    if settings.batch_size % len(gpus):
        raise InputError(
            f"batch_size={settings.batch_size} does not divide among {len(gpus)} GPUs; choose a "
            "multiple, or hide some with CUDA_VISIBLE_DEVICES"
        )
    return tf.distribute.MirroredStrategy()
