"""A small model that is trained on records; as a script, on two devices at once."""

import json
import sys

import keras
import tensorflow as tf

from lrl_keras.data import load
from lrl_keras.losses import SegmentationLoss


def small_model(size):
    """A compiled model with the three outputs of `LRL`, of one convolution."""
    image = keras.Input((size, size, 3))
    hidden = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Rescaling(1 / 255)(image))
    pooled = keras.layers.GlobalAveragePooling2D()(hidden)
    outputs = {"label": keras.layers.Dense(1, activation="sigmoid", name="label")(pooled)}
    for name in ("similarity", "mask"):
        outputs[name] = keras.layers.Conv2D(1, 1, activation="sigmoid", name=name)(hidden)
    model = keras.Model(image, outputs)
    losses = {"similarity": SegmentationLoss(), "mask": SegmentationLoss()}
    model.compile("sgd", {"label": "binary_crossentropy", **losses})
    return model


class Numbers(keras.callbacks.Callback):
    """Sets the number of each epoch and notes what the dataset makes of it."""

    def __init__(self, dataset):
        super().__init__()
        self.dataset, self.seen = dataset, []

    def on_epoch_begin(self, epoch, logs=None):
        self.dataset.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append([epoch, self.dataset.epoch])


def fit(model, dataset, epochs, **arguments):
    """Train, and return the numbers seen and the losses."""
    numbers = Numbers(dataset)
    history = model.fit(dataset, epochs=epochs, callbacks=[numbers], verbose=0, **arguments)
    return numbers.seen, history.history["loss"]


def _on_two_devices(records, size):
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model, dataset = small_model(size), load(records, "train", 8)
    return fit(model, dataset, 2)


if __name__ == "__main__":
    print(json.dumps(_on_two_devices(sys.argv[1], int(sys.argv[2]))))
