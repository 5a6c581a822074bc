"""Where the examples of a split come from: decoded again each time, or once, into memory.

Both readers give the same examples under the same numbers, so that an epoch holds the same with
either. An *entry* is what stands for an example while it is chosen and shuffled, and is small.
"""

import numpy as np
import tensorflow as tf

from lrl_keras.data import schema
from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.system import hardware

_MOST_OF_MEMORY = 0.8
_LABEL = {"label": tf.io.FixedLenFeature([], tf.int64)}
_KIND = {**_LABEL, "method": tf.io.FixedLenFeature([], tf.string)}


def in_file_order(source):
    """`tf.data.Dataset` of the serialized examples of a source, one shard after the other."""
    return _serialized(source, source.paths)


class Stored:
    """Examples of the shards. An entry is a serialized example.

    Args:
        source: a `lrl_keras.data.records.Split`.
        image_size: side of the decoded images in pixels; `None` for that of the records.
    """

    def __init__(self, source, image_size=None):
        self.source = source
        self.image_size = image_size or source.image_size

    def entries(self, shard):
        """`tf.data.Dataset` of the entries of a shard, given by its number."""
        return _serialized(self.source, tf.constant(self.source.paths)[shard])

    def label(self, entry):
        """Scalar int64 tensor: 0 real, 1 forged."""
        return tf.io.parse_single_example(entry, _LABEL)["label"]

    def training_example(self, entry):
        """Image uint8 (S, S, 3), mask uint8 (S, S, 1) of 0 and 1, int64 label and has_mask."""
        features = self.example(entry)
        return tuple(features[name] for name in ("image", "mask", "label", "has_mask"))

    def example(self, entry):
        """dict of all features of an example, `image` and `mask` decoded as above."""
        source = self.source
        features = schema.decode(entry)
        image = checked_png(features, "image", 3, source)
        mask = tf.cond(
            tf.strings.length(features["mask"]) == 0,
            lambda: tf.zeros((source.image_size, source.image_size, 1), tf.uint8),
            lambda: checked_png(features, "mask", 1, source),
        )
        features["image"] = images.resize(image, self.image_size)
        features["mask"] = images.resize_mask(mask, self.image_size)
        return features


class Cached:
    """Examples of another reader, decoded into memory. An entry is the number of an example.

    Args:
        stored: a `Stored`.

    Raises:
        InputError: they would not fit into the memory that is free, or are not as many as the
            manifest says.
    """

    def __init__(self, stored):
        self.source = stored.source
        self.image_size = side = stored.image_size
        total = sum(self.source.totals)
        _check_memory(self.source, side, total * side**2 * 4)
        self._images = np.empty((total, side, side, 3), np.uint8)
        self._masks = np.empty((total, side, side, 1), np.uint8)
        self._labels = np.empty(total, np.int64)
        self._has_mask = np.empty(total, np.int64)
        self._starts = np.cumsum([0, *self.source.counts.sum(axis=1)])
        self._fill(stored)

    def entries(self, shard):
        """`tf.data.Dataset` of the entries of a shard, given by its number."""
        starts = tf.constant(self._starts)
        return tf.data.Dataset.range(starts[shard], starts[shard + 1])

    def label(self, entry):
        """Scalar int64 tensor: 0 real, 1 forged."""
        return tf.constant(self._labels)[entry]

    def training_example(self, entry):
        """As of `Stored`."""
        # A tensor of them all would be there twice while it is made from the arrays.
        image, mask = tf.numpy_function(self._pictures, [entry], (tf.uint8, tf.uint8), False)
        image = tf.ensure_shape(image, self._images.shape[1:])
        mask = tf.ensure_shape(mask, self._masks.shape[1:])
        return image, mask, self.label(entry), tf.constant(self._has_mask)[entry]

    def _pictures(self, number):
        # Copies, since TensorFlow may write into what it was given.
        return self._images[number].copy(), self._masks[number].copy()

    def _fill(self, stored):
        arrays = self._images, self._masks, self._labels, self._has_mask
        examples = in_file_order(self.source).map(
            stored.training_example, tf.data.AUTOTUNE, deterministic=True
        )
        filled = 0
        for number, example in enumerate(examples.as_numpy_iterator()):
            filled = number + 1
            if filled > len(self._images):
                break
            for array, value in zip(arrays, example, strict=True):
                array[number] = value
        if filled != len(self._images):
            source = self.source
            raise InputError(
                f"{source.records}: split {source.name!r} does not hold the {len(self._images)} "
                "examples that its manifest says; run `lrl-keras prepare` again"
            )


def _serialized(source, paths):
    stored = tf.data.TFRecordDataset(paths, buffer_size=1 << 20)
    if source.methods is None:
        return stored

    def wanted(entry):
        kind = tf.io.parse_single_example(entry, _KIND)
        return (kind["label"] == 0) | tf.reduce_any(kind["method"] == source.methods)

    return stored.filter(wanted)


def _check_memory(source, side, needed):
    free = hardware.free_memory()
    if needed > _MOST_OF_MEMORY * free:
        raise InputError(
            f"{source.records}: split {source.name!r} decoded at {side} x {side} pixels takes "
            f"{needed / 1e9:.1f} GB of memory, but {free / 1e9:.1f} GB are free; leave the cache "
            "out, or choose a smaller image_size"
        )


def checked_png(features, name, channels, source):
    """The picture `name` of an example, decoded after a look at its header.

    Args:
        features: as of `schema.decode`.
        name: `"image"` or `"mask"`.
        channels: 1 or 3.
        source: the `Split` that it comes from, for its side and for the error.

    Returns:
        uint8 tensor (S, S, channels).
    """
    # Compared with the header before anything is decoded, so that no picture can fill the memory.
    size = images.png_size(features[name])
    side = source.image_size
    check = tf.debugging.Assert(
        tf.reduce_all(size == side),
        [
            f"{source.records}: split {source.name!r}, {name} of video",
            features["video"],
            "frame",
            features["frame"],
            f"is no PNG of {side} x {side} pixels but (0, 0 means: no PNG at all)",
            size,
            "run `lrl-keras prepare` again",
        ],
    )
    with tf.control_dependencies([check]):
        picture = images.decode_png(features[name], channels)
    return tf.ensure_shape(picture, (side, side, channels))
