"""Sequences of faces of one clip, for networks that look at several frames.

F faces in succession, as records hold them, or each repeated evenly where a clip has fewer. The
sequences of a clip follow one another without overlap, but the last one ends with the clip.
"""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import tensorflow as tf

from lrl_keras.data import sampling
from lrl_keras.data.augment.choices import augmentation
from lrl_keras.data.readers import Stored
from lrl_keras.errors import InputError

# Sequences that are scored together at most.
_TOGETHER = 8


class Sequences:
    """Reader of sequences, see `lrl_keras.data.readers`. An entry is F serialized examples.

    The manifest says which examples of a shard belong to a clip.

    Args:
        source: a `lrl_keras.data.split.Split`.
        frames: F, at least 2.
        image_size: as of `Stored`.
        draw: whether an epoch has one sequence of each clip, from a random start, or all of them.

    Attributes:
        source: `Split` that counts sequences instead of faces.
    """

    def __init__(self, source, frames, image_size=None, draw=False):
        if source.fresh:
            raise InputError(
                f"{source.records}: split {source.name!r} holds single faces that training forges; "
                f"sequences of {frames} frames need records of clips, prepared without `--fresh`"
            )
        self._stored = Stored(source, image_size)
        self.image_size = self._stored.image_size
        self._frames, self._draw, self._key = frames, draw, None
        clips = [clip for clip, _ in source.records.placed(source.splits) if clip.kept]
        methods = source.methods
        clips = [c for c in clips if not c.label or methods is None or c.method in methods]
        shards = {shard.name: number for number, shard in enumerate(source.shards)}
        clips.sort(key=lambda clip: shards[clip.shard])
        self._sizes = np.array([len(clip.kept) for clip in clips])
        # The clip of each example of the split.
        self._clips = np.repeat(np.arange(len(clips)), self._sizes)
        # The number of the first example of each shard.
        self._firsts = np.cumsum([0, *source.counts.sum(axis=1)])
        counts = np.zeros_like(source.counts)
        for clip, size in zip(clips, self._sizes, strict=True):
            counts[shards[clip.shard], clip.label] += 1 if draw else -(-size // frames)
        self.source = dataclasses.replace(source, counts=counts)

    def of_epoch(self, key):
        """Return the reader of one epoch, whose seed and number are an int64 tensor (2,)."""
        reader = copy.copy(self)
        reader._key = key
        return reader

    def entries(self, shard):
        """Return a `tf.data.Dataset` of the entries of a shard, given by its number."""
        first, clips = tf.constant(self._firsts)[shard], tf.constant(self._clips)
        sizes = tf.constant(self._sizes)
        grouped = (
            self._stored.entries(shard)
            .enumerate(first)
            .group_by_window(
                lambda number, _: clips[number],
                lambda clip, examples: examples.batch(len(self._clips)),
                window_size_func=lambda clip: sizes[clip],
            )
        )
        return grouped.flat_map(
            lambda numbers, examples: tf.data.Dataset.from_tensor_slices(
                tf.gather(examples, self._positions(clips[numbers[0]], tf.size(numbers)))
            )
        )

    def label(self, entry):
        """Read the label of an entry, a scalar int64 tensor: 0 real, 1 forged."""
        return self._stored.label(entry[0])

    def training_example(self, entry):
        """Read images uint8 (F, S, S, 3), masks uint8 (F, S, S, 1), int64 label and has_mask."""
        side, count = self.image_size, self._frames
        form = (
            tf.TensorSpec((side, side, 3), tf.uint8),
            tf.TensorSpec((side, side, 1), tf.uint8),
            tf.TensorSpec((), tf.int64),
            tf.TensorSpec((), tf.int64),
        )
        images, masks, labels, known = tf.map_fn(
            self._stored.training_example,
            tf.ensure_shape(entry, (count,)),
            fn_output_signature=form,
        )
        return images, masks, labels[0], tf.reduce_min(known)

    def _positions(self, clip, size):
        """Choose the examples of a clip's sequences: (sequences, F)."""
        count = self._frames
        last = tf.maximum(size - count, 0)
        if self._draw:
            seed = sampling.start_seed(self._key, clip)
            start = tf.random.stateless_uniform((1,), seed, 0, last + 1, tf.int32)
        else:
            start = tf.minimum(tf.range(0, size, count), last)
        return start[:, None] + tf.range(count) * tf.minimum(size, count) // count


def of_frames(name, image_size):
    """Return the function that `augmentation` returns, but of F faces, changed by the same seed."""
    change = augmentation(name, image_size)
    form = (
        tf.TensorSpec((image_size, image_size, 3), tf.uint8),
        tf.TensorSpec((image_size, image_size, 1), tf.uint8),
    )

    def changed(images, masks, seed):
        return tf.map_fn(
            lambda frame: change(*frame, seed), (images, masks), fn_output_signature=form
        )

    return changed


class Scores:
    """Scores of faces that come clip after clip, each clip in the order of time.

    The score of a sequence is that of each of its faces, where the last one of a clip overlaps the
    one before, of those that had none yet. A network of single faces scores each of them.

    Args:
        model: one of `lrl_keras.models.DETECTORS`.
    """

    def __init__(self, model):
        self._model, self._frames = model, model.frames
        self._clip, self._faces, self._waiting = None, [], 0

    def add(self, faces, clips):
        """Take faces, and return the scores that are known by now.

        Args:
            faces: float32 array (B, S, S, 3).
            clips: list of what tells the clip of each face from others.

        Returns:
            list of scores, in the order of the faces, of those that had none yet.
        """
        if self._frames == 1:
            return self._predicted(faces)
        whole = []
        for face, clip in zip(faces, clips, strict=True):
            if clip != self._clip:
                whole += self._rest()
                self._clip = clip
            self._faces.append(face)
            self._waiting += 1
            if self._waiting == self._frames:
                self._faces = self._faces[-self._frames :]
                whole.append((np.stack(self._faces), self._waiting))
                self._waiting = 0
        return self._scored(whole)

    def finish(self):
        """Return the scores that are still missing."""
        return self._scored(self._rest())

    def _rest(self):
        faces, waiting = self._faces[-self._frames :], self._waiting
        self._faces, self._waiting = [], 0
        chosen = np.arange(self._frames) * len(faces) // self._frames
        return [(np.stack([faces[at] for at in chosen]), waiting)] if waiting else []

    def _scored(self, whole):
        scores = []
        for at in range(0, len(whole), _TOGETHER):
            sequences, counts = zip(*whole[at : at + _TOGETHER], strict=True)
            scores += np.repeat(self._predicted(np.stack(sequences)), counts).tolist()
        return scores

    def _predicted(self, inputs):
        return np.asarray(self._model.predict_on_batch(inputs)["label"])[:, 0].tolist()
