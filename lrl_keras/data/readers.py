"""Readers of the examples of a split: decoded in every epoch, or once, into memory.

Both give the same examples in the same order, so that an epoch is the same with either. An *entry*
is the small value that stands for an example while it is chosen and shuffled.
"""

from __future__ import annotations

import os

import numpy as np
import tensorflow as tf

from lrl_keras.data import schema, xray
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.system import hardware

_MOST_OF_MEMORY = 0.8
_LABEL = {"label": tf.io.FixedLenFeature([], tf.int64)}
_KIND = {**_LABEL, "method": tf.io.FixedLenFeature([], tf.string)}


def in_file_order(source):
    """Return a `tf.data.Dataset` of the serialized examples of a split, shard after shard."""
    return _serialized(source, source.paths)


class Stored:
    """Reader of the shards. An entry is a serialized example.

    Args:
        source: a `lrl_keras.data.split.Split`.
        image_size: side of the decoded images in pixels; `None` for that of the records.
        blend: whether 255 times the weight of the blending is a second channel of the masks of
            training, 0 everywhere where the records hold none.
    """

    def __init__(self, source, image_size=None, blend=False):
        self.source = source
        self.image_size = image_size or source.image_size
        self.channels = 2 if blend else 1

    def entries(self, shard):
        """Return a `tf.data.Dataset` of the entries of a shard, given by its number."""
        return _serialized(self.source, tf.constant(self.source.paths)[shard])

    def label(self, entry):
        """Read the label of an entry, a scalar int64 tensor: 0 real, 1 forged."""
        return tf.io.parse_single_example(entry, _LABEL)["label"]

    def training_example(self, entry):
        """Read image uint8 (S, S, 3), mask uint8 (S, S, 1) of 0 and 1, int64 label and has_mask.

        With `blend` the mask has two channels, see there.
        """
        features = self.example(entry)
        if self.channels == 2:
            features["mask"] = tf.concat([features["mask"], features["blend"]], axis=-1)
        return tuple(features[name] for name in ("image", "mask", "label", "has_mask"))

    def example(self, entry):
        """Read a dict of all features of an example, with its images decoded."""
        source = self.source
        features = schema.decode(entry, blend=self.channels == 2)
        image = checked_png(features, "image", 3, source)
        features["image"] = images.resize(image, self.image_size)
        features["mask"] = images.resize_mask(self._map(features, "mask"), self.image_size)
        if "blend" in features:
            features["blend"] = xray.resized(self._map(features, "blend"), self.image_size)
        return features

    def _map(self, features, name):
        side = self.source.image_size
        return tf.cond(
            tf.strings.length(features[name]) == 0,
            lambda: tf.zeros((side, side, 1), tf.uint8),
            lambda: checked_png(features, name, 1, self.source),
        )


class Cached:
    """Reader of a copy of another's examples in memory. An entry is the number of an example.

    Args:
        stored: a `Stored`.

    Raises:
        InputError: they do not fit into the free memory, or their number is not the manifest's.
    """

    def __init__(self, stored):
        self.source = stored.source
        self.image_size = side = stored.image_size
        total = sum(self.source.totals)
        _check_memory(self.source, side, total * side**2 * (3 + stored.channels))
        self._images = np.empty((total, side, side, 3), np.uint8)
        self._masks = np.empty((total, side, side, stored.channels), np.uint8)
        self._labels = np.empty(total, np.int64)
        self._has_mask = np.empty(total, np.int64)
        self._starts = np.cumsum([0, *self.source.counts.sum(axis=1)])
        self._fill(stored)

    def entries(self, shard):
        """Return a `tf.data.Dataset` of the entries of a shard, given by its number."""
        starts = tf.constant(self._starts)
        return tf.data.Dataset.range(starts[shard], starts[shard + 1])

    def label(self, entry):
        """Read the label of an entry, a scalar int64 tensor: 0 real, 1 forged."""
        return tf.constant(self._labels)[entry]

    def training_example(self, entry):
        """Read the same as `Stored.training_example`."""
        # While a tensor of all examples was made from the arrays, memory would hold both.
        image, mask = tf.numpy_function(self._copies, [entry], (tf.uint8, tf.uint8), False)
        image = tf.ensure_shape(image, self._images.shape[1:])
        mask = tf.ensure_shape(mask, self._masks.shape[1:])
        return image, mask, self.label(entry), tf.constant(self._has_mask)[entry]

    def _copies(self, number):
        # TensorFlow may write into the arrays that it receives.
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
    """Decode the image `name` of an example in the graph, after a check of its header.

    Args:
        features: dict of `schema.decode`.
        name: `"image"`, `"mask"` or `"blend"`.
        channels: 1 or 3.
        source: the `Split` that it comes from, for its side and for the error message.

    Returns:
        uint8 tensor (S, S, channels).
    """
    # The header is checked before anything is decoded, so that no image can fill the memory.
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
        image = tf.io.decode_png(features[name], channels=channels)
    return tf.ensure_shape(image, (side, side, channels))


def boxes(
    records: str | os.PathLike[str] | Records,
) -> dict[tuple[str, str, str], dict[int, list[tuple[int, int, int, int]]]]:
    """Read the boxes of the crops of all examples, without decoding an image.

    Args:
        records: folder that `lrl-keras prepare` wrote, or `lrl_keras.data.Records`.

    Returns:
        dict of (dataset, method, video) to dict of frame index to list of crop boxes
        (x0, y0, x1, y1) in pixels of that frame.

    Raises:
        InputError: records missing, damaged or empty.
    """
    records = Records.open(records)
    found = {}
    # The checksums of all shards are verified before any is read.
    records.verify()
    for source in [records.split(split) for split in sorted(records.splits())]:
        for features in in_file_order(source).map(schema.decode).as_numpy_iterator():
            names = (features[name].decode() for name in ("dataset", "method", "video"))
            box = tuple(int(side) for side in features["box"])
            frames = found.setdefault(tuple(names), {})
            frames.setdefault(int(features["frame"]), []).append(box)
    if not found:
        raise InputError(f"{records}: no examples in it; run `lrl-keras prepare` first")
    return found
