"""Callbacks that write what TensorBoard shows of a run beside its curves."""

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.pr_curve import summary as pr_curve

from lrl_keras.metrics import EqualErrorRate
from lrl_keras.plots import drawing
from lrl_keras.system import files

_SHOWN = 4
# As many as TensorBoard's own default: 0, 0.005, ..., 1.
_THRESHOLDS = 201
# Names of the metrics of the best epoch in HParams, and their names in the history.
_BEST = {
    "best_epoch": "epoch",
    "best_auc": "val_label_auc",
    "best_accuracy": "val_label_accuracy",
    "best_eer": "val_label_eer",
}


class Images(keras.callbacks.Callback):
    """Writes faces, frequency images, masks, X-rays and similarity patterns for TensorBoard.

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
        shown = {"face": self._images / 255, "mask": self._masks}
        if self._images.ndim == 5:  # Of a sequence, the first frame.
            shown = {name: sequences[:, 0] for name, sequences in shown.items()}
        for name in ("mask", "xray"):
            if name in outputs:
                shown[f"{name}_predicted"] = outputs[name]
        if self._frequency is not None:
            residual = self._frequency.predict_on_batch(self._images)["frequency_filter"]
            # The high-pass image has mean 0; a quarter of the range shows it without clipping much.
            shown["frequency"] = np.clip(0.5 + residual / 64, 0, 1)
        if "similarity" in outputs:
            shown["similarity"] = np.stack(
                [drawing.similarity_image(pattern) for pattern in outputs["similarity"]]
            ) / np.float32(255)
        with self._writer.as_default(step=epoch):
            for name, images in shown.items():
                tf.summary.image(name, images, max_outputs=_SHOWN)
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
    """Makes the run a row of TensorBoard's HParams: its settings, the metrics of its best epoch.

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
            for column, name in _BEST.items():
                tf.summary.scalar(column, best[name])
            self._writer.flush()


def _label_counts(model):
    """Return histograms (2, bins + 1) of real and forged faces' scores since the last reset."""
    for group in model.metrics:
        # The metrics that `compile` was given stand together in one of them.
        for metric in getattr(group, "metrics", [group]):
            if isinstance(metric, EqualErrorRate):
                return metric.counts
    raise ValueError("The model was compiled without the metric EqualErrorRate")


def _both_classes(dataset):
    """Return up to `_SHOWN` faces and masks, half of them forged where there are enough."""
    kept = {0: [], 1: []}
    for images, targets, _ in dataset:
        rows = zip(images.numpy(), targets["mask"].numpy(), targets["label"].numpy(), strict=True)
        for image, mask, label in rows:
            if len(kept[int(label[0])]) < _SHOWN // 2:
                kept[int(label[0])].append((image, mask))
        if all(len(faces) == _SHOWN // 2 for faces in kept.values()):
            break
    images, masks = zip(*kept[0], *kept[1], strict=True)
    return np.stack(images), np.stack(masks)
