"""Which examples an epoch holds, and in which order: a function of (seed, epoch) alone.

All of it is drawn with stateless random numbers. The seed of `tf.data.Dataset.shuffle` would mix
with the process's global seed, so that a resumed run could see another order.
"""

import tensorflow as tf

_INTERLEAVED_SHARDS = 16
_SHARDS, _EXAMPLES, _FLIPS = range(3)

_LABEL = {"label": tf.io.FixedLenFeature([], tf.int64)}


def in_file_order(source):
    """Serialized examples of all shards, one shard after the other."""
    return tf.data.TFRecordDataset(source.paths, buffer_size=1 << 20)


def examples(source, key, shuffle, balance, shuffle_buffer):
    """Serialized examples of one epoch.

    Args:
        source: a `Source`.
        key: int64 tensor (2,): seed and epoch.
        shuffle: whether shards and examples are shuffled.
        balance: whether examples of the larger class are left out.
        shuffle_buffer: examples that are shuffled among each other.

    Returns:
        `tf.data.Dataset` of scalar strings.
    """
    shards = tf.range(len(source.paths))
    if shuffle:
        shards = tf.random.experimental.stateless_shuffle(shards, _fold_in(key, _SHARDS))
    read = _balanced(source, key) if balance else _all(source)
    taken = tf.data.Dataset.from_tensor_slices(shards).interleave(
        read,
        cycle_length=min(_INTERLEAVED_SHARDS, len(source.paths)) if shuffle else 1,
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return _shuffled(taken, _fold_in(key, _EXAMPLES), shuffle_buffer) if shuffle else taken


def flip_seed(key, position):
    """Seed (2,) for the example at `position` of the epoch with `key`."""
    return _fold_in(_fold_in(key, _FLIPS), position)


def _all(source):
    paths = tf.constant(source.paths)
    return lambda shard: tf.data.TFRecordDataset(paths[shard], buffer_size=1 << 20)


def _balanced(source, key):
    larger = int(source.totals[1] > source.totals[0])
    total, wanted = source.totals[larger], min(source.totals)
    taken = _taken(total, wanted, key)
    before = source.counts[:, larger].cumsum() - source.counts[:, larger]
    read = _all(source)

    def decide(index, serialized):
        of_larger = tf.io.parse_single_example(serialized, _LABEL)["label"] == larger
        take = tf.logical_or(~of_larger, taken[tf.minimum(index, total)])
        return index + tf.cast(of_larger, tf.int64), (serialized, take)

    def read_taken(shard):
        first = tf.constant(before)[shard]
        decided = read(shard).scan(first, decide)
        return decided.filter(lambda _, take: take).map(lambda serialized, _: serialized)

    return read_taken


def _taken(total, wanted, key):
    # Every epoch takes the next `wanted` of one fixed random order, so that ceil(total / wanted)
    # epochs see every example of the larger class. One more entry stands for 'past the end'.
    fixed = tf.random.experimental.stateless_shuffle(
        tf.range(total, dtype=tf.int64), _fold_in(key * [1, 0], _EXAMPLES)
    )
    chosen = tf.gather(fixed, (key[1] * wanted + tf.range(wanted, dtype=tf.int64)) % total)
    return tf.scatter_nd(chosen[:, None], tf.ones(wanted, tf.int32), [total + 1]) > 0


def _shuffled(serialized, key, shuffle_buffer):
    def shuffle(number, block):
        indices = tf.range(tf.size(block))
        seed = _fold_in(key, number)
        indices = tf.random.experimental.stateless_shuffle(indices, seed)
        return tf.data.Dataset.from_tensor_slices(tf.gather(block, indices))

    return serialized.batch(shuffle_buffer).enumerate().flat_map(shuffle)


def _fold_in(key, data):
    return tf.random.experimental.stateless_fold_in(key, tf.cast(data, tf.int64))
