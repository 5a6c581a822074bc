"""Divide identities or videos among train, val and test where a dataset has no official lists."""

import hashlib
import math

from lrl_keras.data.manifest import SPLITS
from lrl_keras.errors import InputError
from tfrecords.options import Option

SIZES = Option(
    (0.8, 0.1, 0.1),
    "sizes of train, val and test: fractions that add up to 1, or whole counts",
    least=0,
    metavar="SIZE",
)
SEED = Option(0, "which identities or videos go into which split", least=0, most=2**31 - 1)
VAL_FRACTION = Option(
    0.1, "part of the identities of the official training set that is held out as val", least=0,
    most=0.9,
)  # fmt: skip


def assign(names, sizes, seed):
    """Give every name a split, the same on every machine and in whatever order they come.

    Args:
        names: the identities or videos; each once.
        sizes: three numbers, for train, val and test. Fractions must add up to 1 (the rest of
            the rounding goes to train); counts must not be more than there are names, and names
            that are left over get no split.
        seed: int; another one gives another division.

    Returns:
        dict from name to `"train"`, `"val"` or `"test"`.

    Raises:
        InputError: sizes that are neither, or more than there are names.
    """
    names = sorted(names, key=lambda name: _draw(name, seed))
    train, val, test = _counts(len(names), sizes)
    splits = [SPLITS[0]] * train + [SPLITS[1]] * val + [SPLITS[2]] * test
    return dict(zip(names, splits, strict=False))


def hold_out(names, fraction, seed):
    """The part of `names` that is taken from train for val: a set.

    At least one where `fraction` is above 0 and there are two names.
    """
    names = sorted(names, key=lambda name: _draw(name, seed))
    least = 1 if fraction > 0 and len(names) > 1 else 0
    return set(names[: max(least, math.floor(fraction * len(names)))])


def _draw(name, seed):
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()


def _counts(total, sizes):
    if len(sizes) != 3:
        raise InputError(
            f"splits must be three sizes, of train, val and test. Received: {tuple(sizes)}"
        )
    if math.isclose(sum(sizes), 1, abs_tol=1e-6):
        val, test = (_part(total, size) for size in sizes[1:])
        return max(total - val - test, 0), val, test
    if any(size != int(size) for size in sizes):
        raise InputError(
            "splits must be fractions that add up to 1, or whole counts. Received: "
            f"{tuple(sizes)}, which add up to {sum(sizes):g}"
        )
    if sum(sizes) > total:
        raise InputError(f"splits ask for {sum(sizes):g} identities or videos; there are {total}")
    return tuple(int(size) for size in sizes)


def _part(total, fraction):
    # A split that was asked for gets something wherever there is enough for all three.
    return max(math.floor(fraction * total + 0.5), int(fraction > 0 and total >= 3))
