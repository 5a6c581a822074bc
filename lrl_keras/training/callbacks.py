"""Callbacks that steer a training run and keep what it has learnt."""

import csv
import logging
import re

import keras
import numpy as np

from lrl_keras.errors import InputError
from lrl_keras.saving import checkpoints
from lrl_keras.saving.run import BEST
from lrl_keras.system import files

_log = logging.getLogger(__name__)
_STATE = "epoch-{:05d}.h5"
_STATE_NAME = re.compile(r"epoch-\d{5,}\.h5")


class DataEpoch(keras.callbacks.Callback):
    """Tells the training data the number of the epoch that begins."""

    def __init__(self, dataset):
        super().__init__()
        self._dataset = dataset

    def on_epoch_begin(self, epoch, logs=None):
        self._dataset.epoch = epoch


class HeadFirst(keras.callbacks.Callback):
    """Leaves the backbones as they are for some epochs, BatchNormalization's statistics included.

    Args:
        epochs: their number, from the first of the run.
    """

    def __init__(self, epochs):
        super().__init__()
        self._epochs = epochs

    def on_train_begin(self, logs=None):
        layers = [layer for stage in self.model.stages for layer in stage._flatten_layers()]
        self._frozen = [layer for layer in layers if not layer.trainable]

    def on_epoch_begin(self, epoch, logs=None):
        trained = epoch >= self._epochs
        if all(stage.trainable == trained for stage in self.model.stages):
            return
        for stage in self.model.stages:
            stage.trainable = trained
        if trained:
            for layer in self._frozen:
                layer.trainable = False
        # `fit` has traced a step with the variables that were trained before.
        self.model.make_train_function(force=True)


class StopWhenBroken(keras.callbacks.Callback):
    """Stops with `FloatingPointError` when training has stopped making sense.

    That is a loss which is not finite, a variable which is not finite although the loss still is
    (BatchNormalization's statistics after one overflow in float16), or an epoch without a single
    step of the optimizer (every step skipped by the loss scale) of a model that has something to
    train.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = self._optimizer_steps()

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not np.isfinite(loss):
            self._stop(f"the loss is {loss} at step {batch + 1} of this epoch")

    def on_epoch_end(self, epoch, logs=None):
        if self.model.trainable_variables and self._optimizer_steps() == self._steps:
            self._stop(f"no step of epoch {epoch + 1} changed the weights")
        try:
            checkpoints.check_finite(self.model.variables)
        except ValueError as error:
            self._stop(str(error))

    def _optimizer_steps(self):
        return int(_inner_optimizer(self.model).iterations)

    def _stop(self, what):
        raise FloatingPointError(
            f"training stopped: {what}. The last good epoch is kept; try a lower learning rate, "
            "or `precision='float32' or 'mixed_bfloat16'`"
        )


class Checkpoints(keras.callbacks.Callback):
    """Keeps the best weights, the full state of the last two epochs and the history.

    Written at the end of each epoch in an order that a kill at any moment leaves consistent: best
    weights, state, `history.csv`, which is made again from the state.

    Args:
        run: run directory.
    """

    def __init__(self, run):
        super().__init__()
        self._run = run
        self._folder = files.join(run, "checkpoints")
        self._rows = []

    @property
    def best(self):
        """History of the epoch with the best weights: a dict, `None` before the first epoch."""
        return max(self._rows, key=lambda row: row["val_label_auc"], default=None)

    def states(self):
        """Return the paths of the saved states, newest first."""
        if not files.is_folder(self._folder):
            return []
        names = [name for name in files.names(self._folder) if _STATE_NAME.fullmatch(name)]
        return [files.join(self._folder, name) for name in reversed(names)]

    def restore(self, model):
        """Bring `model` and its optimizer to the newest undamaged state.

        Returns:
            the number of epochs that are done, 0 where nothing was saved.
        """
        paths = self.states()
        for path in paths:
            try:
                about = checkpoints.load_state(_state(model), path)
            except InputError as error:
                _log.warning("%s; trying the one before", error)
                continue
            self._rows = about["history"]
            self._write_history()
            return about["epochs"]
        if paths:
            raise InputError(f"{self._folder}: no undamaged state to resume from; start a new run")
        return 0

    def on_epoch_end(self, epoch, logs=None):
        files.make_folder(self._folder)
        self._rows.append({"epoch": epoch + 1, **{name: float(logs[name]) for name in logs}})
        if self.best is self._rows[-1]:
            about = {"epoch": epoch + 1, "val_label_auc": self.best["val_label_auc"]}
            checkpoints.save_weights(self.model, files.join(self._run, BEST), about)
        checkpoints.save_state(
            _state(self.model),
            files.join(self._folder, _STATE.format(epoch + 1)),
            {"epochs": epoch + 1, "history": self._rows},
        )
        self._write_history()
        for path in self.states()[2:]:
            files.remove(path)

    def _write_history(self):
        with (
            files.replacing(files.join(self._run, "history.csv")) as temporary,
            open(temporary, "w", newline="") as file,
        ):
            writer = csv.DictWriter(file, list(self._rows[0]))
            writer.writeheader()
            writer.writerows(self._rows)


class Averaged(keras.callbacks.Callback):
    """Validates and keeps the average of the weights, where the optimizer makes one.

    From validation to the next epoch the model holds the average, and the optimizer, in its place,
    the weights of the last step; so does the saved state. To be called after `Checkpoints`.
    """

    def on_test_begin(self, logs=None):
        self._swap()

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            self._swap()

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.params["epochs"] - 1:
            # `fit` ends with the optimizer's average becoming the weights.
            for variable, average in self._pairs():
                average.assign(variable)

    def _swap(self):
        for variable, average in self._pairs():
            last = keras.ops.convert_to_numpy(variable)
            variable.assign(average)
            average.assign(last)

    def _pairs(self):
        optimizer = _inner_optimizer(self.model)
        if not optimizer.use_ema:
            return ()
        return zip(
            optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True
        )


def _inner_optimizer(model):
    """Return the optimizer itself, not the wrapper that scales its losses for float16."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _state(model):
    return [*model.variables, *model.optimizer.variables]
