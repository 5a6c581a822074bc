"""Choice and order of the examples of an epoch, a function of (seed, epoch) alone.

All random numbers are stateless. `tf.data.Dataset.shuffle` would mix its seed with the process's
global one, so that a resumed run could get another order.
"""

import tensorflow as tf

_INTERLEAVED_SHARDS = 16
_SHARDS, _EXAMPLES, _CHANGES, _STARTS = range(4)


def entries(reader, key, shuffle, balance, shuffle_buffer):
    """Choose and order the entries of one epoch.

    Args:
        reader: one of `lrl_keras.data.readers`.
        key: int64 tensor (2,): seed and epoch.
        shuffle: whether shards and examples are shuffled.
        balance: whether examples of the larger class are left out.
        shuffle_buffer: number of examples that are shuffled together.

    Returns:
        `tf.data.Dataset` of the reader's entries.
    """
    count = len(reader.source.paths)
    shards = tf.range(count)
    if shuffle:
        shards = tf.random.experimental.stateless_shuffle(shards, _fold_in(key, _SHARDS))
    taken = tf.data.Dataset.from_tensor_slices(shards).interleave(
        _balanced(reader, key) if balance else reader.entries,
        cycle_length=min(_INTERLEAVED_SHARDS, count) if shuffle else 1,
        block_length=1,
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return _shuffled(taken, _fold_in(key, _EXAMPLES), shuffle_buffer) if shuffle else taken


def change_seed(key, position):
    """Return the seed (2,) of the changes of the example at `position` of the epoch with `key`."""
    return _fold_in(_fold_in(key, _CHANGES), position)


def start_seed(key, clip):
    """Return the seed (2,) of the start of a clip's sequence in the epoch with `key`."""
    return _fold_in(_fold_in(key, _STARTS), clip)


def _balanced(reader, key):
    source = reader.source
    larger = int(source.totals[1] > source.totals[0])
    total, wanted = source.totals[larger], min(source.totals)
    taken = _taken(total, wanted, key)
    before = source.counts[:, larger].cumsum() - source.counts[:, larger]

    def decide(index, entry):
        of_larger = reader.label(entry) == larger
        take = tf.logical_or(~of_larger, taken[tf.minimum(index, total)])
        return index + tf.cast(of_larger, tf.int64), (entry, take)

    def read_taken(shard):
        first = tf.constant(before)[shard]
        decided = reader.entries(shard).scan(first, decide)
        return decided.filter(lambda _, take: take).map(lambda entry, _: entry)

    return read_taken


def _taken(total, wanted, key):
    # Every epoch takes the next `wanted` of one fixed random order, so that ceil(total / wanted)
    # epochs use every example of the larger class. The last element stands for 'past the end'.
    fixed = tf.random.experimental.stateless_shuffle(
        tf.range(total, dtype=tf.int64), _fold_in(key * [1, 0], _EXAMPLES)
    )
    chosen = tf.gather(fixed, (key[1] * wanted + tf.range(wanted, dtype=tf.int64)) % total)
    return tf.scatter_nd(chosen[:, None], tf.ones(wanted, tf.int32), [total + 1]) > 0


def _shuffled(entries, key, shuffle_buffer):
    def shuffle(number, block):
        indices = tf.range(tf.shape(block)[0])
        seed = _fold_in(key, number)
        indices = tf.random.experimental.stateless_shuffle(indices, seed)
        return tf.data.Dataset.from_tensor_slices(tf.gather(block, indices))

    # The next block is read while this one is used.
    blocks = entries.batch(shuffle_buffer).prefetch(1)
    return blocks.enumerate().flat_map(shuffle)


def _fold_in(key, data):
    return tf.random.experimental.stateless_fold_in(key, tf.cast(data, tf.int64))
