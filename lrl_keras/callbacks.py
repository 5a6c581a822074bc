"""What happens around the epochs of a training run."""

import csv
import re
import sys

import keras
import numpy as np
import tensorflow as tf

from lrl_keras import checkpoints, drawing, files, runs
from lrl_keras.errors import InputError

_STATE = "epoch-{:05d}.h5"
_STATE_NAME = re.compile(r"epoch-\d{5,}\.h5")
_PICTURES = 4


class DataEpoch(keras.callbacks.Callback):
    """Tells the training data which epoch its next pass is."""

    def __init__(self, dataset):
        super().__init__()
        self._dataset = dataset

    def on_epoch_begin(self, epoch, logs=None):
        self._dataset.epoch = epoch


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
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        return int(optimizer.iterations)

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
        best = max((row["val_label_auc"] for row in self._rows), default=-1.0)
        self._rows.append({"epoch": epoch + 1, **{name: float(logs[name]) for name in logs}})
        if self._rows[-1]["val_label_auc"] > best:
            about = {"epoch": epoch + 1, "val_label_auc": self._rows[-1]["val_label_auc"]}
            checkpoints.save_weights(self.model, files.join(self._run, runs.BEST), about)
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
        pictures = {
            "face": self._images / 255,
            "mask": self._masks,
            "mask_predicted": outputs["mask"],
        }
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
