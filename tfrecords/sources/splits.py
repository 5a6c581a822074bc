"""Divide identities or videos among train, val and test where a dataset has no official lists."""

import hashlib
import math

from lrl_keras.data.manifest import SPLITS
from lrl_keras.errors import InputError
from lrl_keras.system.options import Option

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


def assign(names, sizes, seed, kinds=None):
    """Give every name a split, the same on every machine and in whatever order they come.

    A name that is added changes the split of few others.

    Args:
        names: the identities or videos; each once.
        sizes: three numbers, for train, val and test. Fractions must add up to 1 (the rest of
            the rounding goes to train); counts must not be more than there are names, and names
            that are left over get no split.
        seed: int; another one gives another division.
        kinds: dict from name to its kind, e.g. whether it is real; fractions are then taken of
            each kind, so that no split lacks one of which there are three.

    Returns:
        dict from name to `"train"`, `"val"` or `"test"`.

    Raises:
        InputError: sizes that are neither, or more than there are names.
    """
    splits = {}
    for alike in _by_kind(names, kinds if kinds and _are_fractions(sizes) else {}):
        train, val, test = _counts(len(alike), sizes)
        own = [SPLITS[0]] * train + [SPLITS[1]] * val + [SPLITS[2]] * test
        splits |= zip(shuffled(alike, seed), own, strict=False)
    return splits


def hold_out(names, fraction, seed, kinds=None):
    """Choose the part of `names` that is taken from train for val: a set.

    At least one, of each of `kinds` as in `assign`, where `fraction` is above 0 and there are two.
    """
    taken = set()
    for alike in _by_kind(names, kinds or {}):
        least = 1 if fraction > 0 and len(alike) > 1 else 0
        count = max(least, math.floor(fraction * len(alike)))
        taken |= set(shuffled(alike, seed)[:count])
    return taken


def shuffled(names, seed):
    """Put the names into an order that depends on them and the seed alone."""
    return sorted(names, key=lambda name: _draw(name, seed))


def _by_kind(names, kinds):
    groups = {}
    for name in names:
        groups.setdefault(kinds.get(name), []).append(name)
    return list(groups.values()) or [[]]


def _draw(name, seed):
    return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogateescape")).digest()


def _counts(total, sizes):
    if len(sizes) != 3:
        raise InputError(
            f"splits must be three sizes, of train, val and test. Received: {tuple(sizes)}"
        )
    if _are_fractions(sizes):
        val, test = (_part(total, size) for size in sizes[1:])
        return max(total - val - test, 0), val, test
    if not all(float(size).is_integer() for size in sizes) or not sum(sizes):
        raise InputError(
            "splits must be fractions that add up to 1, or whole counts. Received: "
            f"{tuple(sizes)}, which add up to {sum(sizes):g}"
        )
    if sum(sizes) > total:
        raise InputError(f"splits ask for {sum(sizes):g} identities or videos; there are {total}")
    return tuple(int(size) for size in sizes)


def _are_fractions(sizes):
    return math.isclose(sum(sizes), 1, abs_tol=1e-6)


def _part(total, fraction):
    # A split that was asked for gets something wherever there is enough for all three.
    return max(math.floor(fraction * total + 0.5), int(fraction > 0 and total >= 3))
