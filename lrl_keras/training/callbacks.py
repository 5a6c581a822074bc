"""What happens around the epochs of a training run."""

import csv
import re
import sys

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.pr_curve import summary as pr_curve

from lrl_keras.errors import InputError
from lrl_keras.metrics import EqualErrorRate
from lrl_keras.plots import drawing
from lrl_keras.saving import checkpoints
from lrl_keras.saving.run import BEST
from lrl_keras.system import files

_STATE = "epoch-{:05d}.h5"
_STATE_NAME = re.compile(r"epoch-\d{5,}\.h5")
_PICTURES = 4
# As many as TensorBoard's own default: 0, 0.005, ..., 1.
_THRESHOLDS = 201
# Columns of HParams, and what the history calls them.
_FIGURES = {
    "best_epoch": "epoch",
    "best_auc": "val_label_auc",
    "best_accuracy": "val_label_accuracy",
    "best_eer": "val_label_eer",
}


class DataEpoch(keras.callbacks.Callback):
    """Tells the training data which epoch its next pass is."""

    def __init__(self, dataset):
        super().__init__()
        self._dataset = dataset

    def on_epoch_begin(self, epoch, logs=None):
        self._dataset.epoch = epoch


class HeadFirst(keras.callbacks.Callback):
    """Leaves the backbones as they are for some epochs, BatchNormalization's statistics included.

    Args:
        epochs: how many, from the first of the run.
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
    step of the optimizer (every step skipped by the loss scale).
    """

    def on_epoch_begin(self, epoch, logs=None):
        self._steps = self._optimizer_steps()

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        if not np.isfinite(loss):
            self._stop(f"the loss is {loss} at step {batch + 1} of this epoch")

    def on_epoch_end(self, epoch, logs=None):
        if self._optimizer_steps() == self._steps:
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
            "or --precision float32 or mixed_bfloat16"
        )


class Checkpoints(keras.callbacks.Callback):
    """Keeps the best weights, the full state of the last two epochs and the history.

    Written at the end of each epoch in an order that a kill at any moment leaves consistent: best
    weights, state, `history.csv`. What comes after the state is made again from it.

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
        """History of the epoch whose weights are the best: a dict, `None` before the first."""
        return max(self._rows, key=lambda row: row["val_label_auc"], default=None)

    def states(self):
        """Paths of the saved states, newest first."""
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
                print(f"warning: {error}; trying the one before", file=sys.stderr)
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
    """Validates and keeps the average of the weights that the optimizer makes, where it does.

    From validation to the next epoch the model holds the average, and the optimizer, in its place,
    the weights of the last step, in what is saved too. To be called after `Checkpoints`.
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


class Pictures(keras.callbacks.Callback):
    """Writes faces, frequency images, masks and similarity patterns for TensorBoard.

    Args:
        folder: of the event file.
        dataset: batches as `lrl_keras.data.load` gives them; faces of both classes are taken from
            its beginning.
    """

    def __init__(self, folder, dataset):
        super().__init__()
        self._folder = str(folder)
        self._images, self._masks = _both_classes(dataset)

    def on_train_begin(self, logs=None):
        self._writer = tf.summary.create_file_writer(self._folder)
        outputs = {
            layer.name: layer.output
            for layer in self.model.layers
            if layer.name == "frequency_filter"
        }
        self._frequency = keras.Model(self.model.input, outputs) if outputs else None

    def on_epoch_end(self, epoch, logs=None):
        outputs = self.model.predict_on_batch(self._images)
        pictures = {"face": self._images / 255, "mask": self._masks}
        if "mask" in outputs:
            pictures["mask_predicted"] = outputs["mask"]
        if self._frequency is not None:
            residual = self._frequency.predict_on_batch(self._images)["frequency_filter"]
            # The high-pass image has mean 0; a quarter of the range shows it without clipping much.
            pictures["frequency"] = np.clip(0.5 + residual / 64, 0, 1)
        if "similarity" in outputs:
            pictures["similarity"] = np.stack(
                [drawing.similarity_picture(pattern) for pattern in outputs["similarity"]]
            ) / np.float32(255)
        with self._writer.as_default(step=epoch):
            for name, images in pictures.items():
                tf.summary.image(name, images, max_outputs=_PICTURES)
            self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()


class PrecisionRecall(keras.callbacks.Callback):
    """Writes the validation split's precision-recall curve for TensorBoard.

    It is that of the scores as `EqualErrorRate` counts them, rounded to multiples of 0.001.

    Args:
        folder: of the event file.
    """

    def __init__(self, folder):
        super().__init__()
        self._folder = str(folder)

    def on_train_begin(self, logs=None):
        self._writer = tf.summary.create_file_writer(self._folder)

    def on_epoch_end(self, epoch, logs=None):
        # The last that `fit` did with the metrics was to validate.
        counts = keras.ops.convert_to_numpy(_label_counts(self.model))
        bins = counts.shape[1] - 1
        # Half a bin above the score: no rounding error takes it below a threshold that it equals.
        scores = np.broadcast_to((np.arange(bins + 1) + 0.5) / bins, counts.shape)
        forged = np.broadcast_to([[False], [True]], counts.shape)
        curve = pr_curve.pb("label", forged, scores, num_thresholds=_THRESHOLDS, weights=counts)
        with self._writer.as_default(step=epoch):
            tf.summary.experimental.write_raw_pb(curve.SerializeToString())
            self._writer.flush()

    def on_train_end(self, logs=None):
        self._writer.close()


class Hyperparameters(keras.callbacks.Callback):
    """Makes the run a row of TensorBoard's HParams: its settings, the figures of its best epoch.

    TensorBoard believes the first settings that it finds in a folder, and a resumed run may have
    changed some: the row is written anew whenever training begins.

    Args:
        folder: of the event file, for nothing else.
        settings: dict of name to bool, number or text.
        row: name that tells the run from others.
        keeper: the run's `Checkpoints`, called before this.
    """

    def __init__(self, folder, settings, row, keeper):
        super().__init__()
        self._folder = str(folder)
        self._settings = settings
        self._row = row
        self._keeper = keeper

    def on_train_begin(self, logs=None):
        if files.is_folder(self._folder):
            files.remove_tree(self._folder)
        self._writer = tf.summary.create_file_writer(self._folder)
        with self._writer.as_default(step=0):
            hparams.hparams(self._settings, trial_id=self._row)
        if self._keeper.best is not None:
            self._write_best()
        self._writer.flush()

    def on_epoch_end(self, epoch, logs=None):
        if self._keeper.best["epoch"] == epoch + 1:
            self._write_best()

    def on_train_end(self, logs=None):
        self._writer.close()

    def _write_best(self):
        best = self._keeper.best
        with self._writer.as_default(step=best["epoch"] - 1):
            for column, name in _FIGURES.items():
                tf.summary.scalar(column, best[name])
            self._writer.flush()


def _inner_optimizer(model):
    """The optimizer itself, not what scales its losses for float16."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def _label_counts(model):
    """Histograms (2, bins + 1) of the scores of real and forged faces since the last reset."""
    for group in model.metrics:
        # What `compile` was given stands together in one of them.
        for metric in getattr(group, "metrics", [group]):
            if isinstance(metric, EqualErrorRate):
                return metric.counts
    raise ValueError("The model was compiled without the metric EqualErrorRate")


def _state(model):
    return [*model.variables, *model.optimizer.variables]


def _both_classes(dataset):
    """Up to `_PICTURES` faces and masks, half of them forged where there are enough."""
    kept = {0: [], 1: []}
    for images, targets, _ in dataset:
        rows = zip(images.numpy(), targets["mask"].numpy(), targets["label"].numpy(), strict=True)
        for image, mask, label in rows:
            if len(kept[int(label[0])]) < _PICTURES // 2:
                kept[int(label[0])].append((image, mask))
        if all(len(faces) == _PICTURES // 2 for faces in kept.values()):
            break
    images, masks = zip(*kept[0], *kept[1], strict=True)
    return np.stack(images), np.stack(masks)
