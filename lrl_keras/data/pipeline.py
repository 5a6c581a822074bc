"""Records to batches, as one `tf.data` pipeline.

The order of the steps saves work. Shards are read interleaved, the balance drops examples, and the
rest is shuffled while still compressed: nothing is decoded in vain and the shuffle buffer stays
small. Then each example is decoded and changed, in parallel but in order. Batches are cast to
float32 last, because uint8 is cheaper to move.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from lrl_keras.data import batches, fresh, sampling
from lrl_keras.data import xray as xrays
from lrl_keras.data.augment.choices import AUGMENTATIONS, augmentation
from lrl_keras.data.readers import Cached, Stored, in_file_order
from lrl_keras.data.records import Records
from lrl_keras.data.sequences import Sequences, of_frames
from lrl_keras.errors import InputError


def load(
    records: str | os.PathLike[str] | Records,
    split: str,
    batch_size: int,
    *,
    methods: Sequence[str] | str | None = None,
    image_size: int | None = None,
    frames: int = 1,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool | None = None,
    balance: bool | None = None,
    augment: str | None = None,
    cache: bool = False,
    xray: bool = False,
    drop_remainder: bool | None = None,
    verify: bool = True,
    shuffle_buffer: int = 2048,
) -> tf.data.Dataset:
    """Load batches for `model.fit` and its validation.

    One iteration is one epoch. The first is epoch `epoch`; every further one is the next epoch of
    `"train"`, and the same one of other splits. The attribute `epoch` of the dataset holds the
    number of the next iteration and may be set.
    The contents of an epoch (order, chosen examples, random changes) follow from the records,
    `seed` and its number alone, so that a run resumed at epoch 7 trains on the same examples as an
    uninterrupted one. Neither batch size, cache nor the number of threads changes an example.
    A split of faces that training forges (`prepare self-blended --fresh`) is always balanced: each
    face comes real and forged, see `lrl_keras.data.fresh`.

    Args:
        records: folder that `lrl-keras prepare` wrote, or `lrl_keras.data.Records`.
        split: `"train"`, `"val"` or `"test"`.
        batch_size: examples a batch, at least 1.
        methods: names of forgery methods; forged examples of others are left out. Default: all.
        image_size: side of the images in pixels; default: the records' own.
        frames: F, faces of an example. Above 1, examples are sequences of a clip's faces, see
            `lrl_keras.data.sequences`: for `"train"` one of each clip in an epoch, from a random
            start, otherwise all of them. Balance, shuffling and `batch_size` are theirs, and all
            frames of a sequence get the same random changes.
        seed: int that the order, the balance and the random changes follow from.
        epoch: number of the first iteration, from 0.
        shuffle: another order each epoch; default: for `"train"` only.
        balance: leave out examples of the larger class, others in each epoch, so that there are as
            many real as forged ones; default: for `"train"` only.
        augment: `"flip"` (mirror with probability one half), `"strong"` (flip, and the changes of
            `lrl_keras.data.augment.strong.Strong`), `"video"` (flip,
            `lrl_keras.data.augment.video.as_in_video`, and the changes of `Strong`) or `"none"`;
            default: `"flip"` for `"train"`, otherwise `"none"`.
        cache: decode every example of the split once, in this call, and keep it in memory: four
            bytes a pixel, five with `xray`: 3.6 GB for 10,000 examples at 299 pixels.
        xray: yield a target for the output `"xray"`, too, see `lrl_keras.data.xray`.
        drop_remainder: leave out the last batch where it is not full; default: for `"train"`
            only.
        verify: compare the shards with the checksums of the manifest first.
        shuffle_buffer: number of examples that are shuffled together; shards are shuffled as well.

    Returns:
        `tf.data.Dataset` of known cardinality, of `(image, targets, sample_weights)`: image
        float32 (B, S, S, 3), RGB, 0..255; targets `label` float32 (B, 1), 1 = forged, and
        `similarity` and `mask`, both the mask, float32 (B, S, S, 1) of 0 and 1; weights float32
        (B,), 0 for `similarity` and `mask` where the mask is not known. Images and masks are
        (B, F, S, S, ...) where `frames` is above 1. With `xray` also `xray`, float32 (B, S, S, 1)
        in [0, 1], whose weight is 0 where a forgery's mask is not known.

    Raises:
        InputError: records missing or damaged, a split that is empty or cannot be balanced, a
            method that it does not hold, less than one full batch, an argument out of range, too
            little memory for the cache, or a cache for faces that training forges or for sequences.
    """
    training = split == "train"
    shuffle, balance, drop_remainder = (
        training if option is None else option for option in (shuffle, balance, drop_remainder)
    )
    if augment is None:
        augment = "flip" if training else "none"
    if augment not in AUGMENTATIONS:
        choices = ", ".join(AUGMENTATIONS)
        raise InputError(f"augment must be one of {choices}. Received: {augment!r}")
    _check_positive(
        batch_size=batch_size, image_size=image_size, frames=frames, shuffle_buffer=shuffle_buffer
    )
    source = Records.open(records).split(split, methods=methods)
    if verify:
        source.verify()
    # `video` changes faces in the size in which they are stored.
    decoded_size = None if augment == "video" else image_size
    sequences = Sequences(source, frames, decoded_size, draw=training) if frames > 1 else None
    if sequences:
        source, shuffle_buffer = sequences.source, max(shuffle_buffer // frames, 1)
    if balance:
        source.check_both_classes()
    count = 2 * min(source.totals) if balance else sum(source.totals)
    whole = count // batch_size if drop_remainder else -(-count // batch_size)
    if whole == 0:
        raise InputError(
            f"{records}: {count} examples of split {split!r} ({'balanced' if balance else 'all'}) "
            f"do not fill one batch of {batch_size}; choose a smaller `batch_size=`"
        )

    if source.fresh:
        if cache:
            raise InputError(
                f"{records}: split {split!r} is forged anew in every epoch; leave the cache out"
            )
        stored_size, decode = source.fresh.image_size, lambda *example: example
    else:
        if (cache or xray) and sequences:
            raise InputError("cache and xray are of single faces, not of sequences; leave them out")
        reader: Stored | Cached | Sequences = sequences or Stored(source, decoded_size, xray)
        if cache:
            reader = Cached(reader)
        stored_size, decode = reader.image_size, reader.training_example
    change = (of_frames if sequences else augmentation)(augment, image_size or stored_size)

    def one_epoch(number):
        key = tf.stack([tf.constant(seed, tf.int64), number])
        if source.fresh:
            entries = fresh.examples(source, key, shuffle, shuffle_buffer, xray)
        else:
            chosen = sequences.of_epoch(key) if sequences else reader
            entries = sampling.entries(chosen, key, shuffle, balance, shuffle_buffer).map(
                lambda entry: (entry,)
            )

        def example(position, entry):
            image, mask, label, has_mask = decode(*entry)
            # The real and the forged example of a fresh face come in succession and share their
            # seed: the same changes cannot tell them apart.
            number = position // 2 if source.fresh else position
            own = sampling.change_seed(key, number)
            image, mask = change(image, mask, own)
            return image, xrays.completed(mask, own) if xray else mask, label, has_mask

        changed = entries.enumerate().map(example, tf.data.AUTOTUNE, deterministic=True)
        return changed.batch(batch_size, drop_remainder=drop_remainder)

    dataset: tf.data.Dataset = _numbered_epochs(one_epoch, lambda: dataset, int(training))
    dataset = dataset.map(batches.of_training)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(whole))
    dataset = dataset.prefetch(tf.data.AUTOTUNE).with_options(_options())
    dataset.epoch = epoch
    return dataset


def examples(
    records: str | os.PathLike[str] | Records,
    split: str,
    *,
    batch_size: int,
    methods: Sequence[str] | str | None = None,
    image_size: int | None = None,
    verify: bool = True,
) -> tf.data.Dataset:
    """Load every example of a split once, in the order of the records, with all its features.

    Args:
        records: folder that `lrl-keras prepare` wrote, or `lrl_keras.data.Records`.
        split: `"train"`, `"val"` or `"test"`, or `"all"` of them.
        batch_size: examples a batch, at least 1; the last batch may be smaller.
        methods: see `load`.
        image_size: side of the images in pixels; default: the records' own.
        verify: compare the shards with the checksums of the manifest first.

    Returns:
        `tf.data.Dataset` of known cardinality, of dicts: `image` float32 (B, S, S, 3), RGB,
        0..255; `mask` float32 (B, S, S, 1) of 0 and 1; and (B,) each `label` int64 (1 = forged),
        `has_mask` bool, `dataset`, `method`, `compression` and `video` string, `frame` int64;
        `box` int64 (B, 4).

    Raises:
        InputError: records missing or damaged, an empty split, one of faces that training forges,
            a method that it does not hold, or an argument out of range.
    """
    _check_positive(batch_size=batch_size, image_size=image_size)
    source = Records.open(records).split(split, methods=methods)
    if verify:
        source.verify()
    source.check_examples()
    dataset = in_file_order(source).map(
        Stored(source, image_size).example, tf.data.AUTOTUNE, deterministic=True
    )
    dataset = dataset.batch(batch_size).map(batches.of_examples)
    whole = -(-sum(source.totals) // batch_size)
    return dataset.apply(tf.data.experimental.assert_cardinality(whole)).prefetch(2)


def _numbered_epochs(one_epoch, holder, step):
    # The epoch is a Python number: the scope of a distribution strategy would mirror a tf.Variable,
    # and a dataset cannot read a mirrored one.
    def next_number():
        dataset = holder()
        number, dataset.epoch = dataset.epoch, dataset.epoch + step
        return np.int64(number)

    def number(_):
        return tf.ensure_shape(tf.numpy_function(next_number, [], tf.int64), ())

    return tf.data.Dataset.range(1).map(number).flat_map(one_epoch)


def _options():
    # Examples are changed in parallel already. Threads inside one operation would wait for each
    # other, and the last bits of a sum would depend on their number.
    options = tf.data.Options()
    options.threading.max_intra_op_parallelism = 1
    return options


def _check_positive(**numbers):
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise InputError(f"{name} must be at least 1. Received: {number}")
