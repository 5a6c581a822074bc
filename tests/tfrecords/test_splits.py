import math
import random

import pytest

from lrl_keras.errors import InputError
from tfrecords.sources.splits import SIZES, assign, hold_out, shuffled

SPLITS = ("train", "val", "test")


def cases(count=60):
    """Names, sizes and seeds of many kinds; the same in every run."""
    rng = random.Random(7)
    for _ in range(count):
        names = [f"{rng.choice('añ/ ')}{number}" for number in range(rng.randrange(1, 200))]
        if rng.random() < 0.5:
            parts = [rng.random() for _ in range(3)]
            sizes = tuple(part / sum(parts) for part in parts)
        else:
            sizes = tuple(rng.randrange(len(names) // 3 + 1) for _ in range(3))
        if sum(sizes):
            yield rng, names, sizes, rng.randrange(1000)


def counts(splits):
    return tuple(list(splits.values()).count(split) for split in SPLITS)


def test_the_order_of_the_names_does_not_matter():
    for rng, names, sizes, seed in cases():
        other = rng.sample(names, len(names))
        assert assign(names, sizes, seed) == assign(other, sizes, seed)


def test_sizes_are_those_asked_for():
    for _, names, sizes, seed in cases():
        found = counts(assign(names, sizes, seed))
        if isinstance(sizes[0], int) and sum(sizes) > 1:
            assert found == sizes
        else:
            assert sum(found) == len(names)
            for got, wanted in zip(found[1:], sizes[1:], strict=True):
                assert abs(got - wanted * len(names)) <= 1
            if len(names) >= 12:
                assert all(found[i] > 0 for i in range(3) if sizes[i] > 0.1)


def test_a_name_that_is_added_moves_few_others():
    for _, names, sizes, seed in cases():
        if sum(sizes) > max(len(names) - 1, 1):
            continue
        before, after = assign(names[1:], sizes, seed), assign(names, sizes, seed)
        moved = [name for name in before if after.get(name) != before[name]]
        assert len(moved) <= 3


def test_the_division_never_changes():
    # Records that were made once must come out the same with any later version.
    found = assign([f"id{i}" for i in range(10)], (0.6, 0.2, 0.2), seed=0)
    assert [name for name in found if found[name] == "val"] == ["id5", "id6"]
    assert [name for name in found if found[name] == "test"] == ["id7", "id8"]


def test_another_seed_gives_another_division():
    names = [str(number) for number in range(50)]
    divisions = {tuple(sorted(assign(names, (0.5, 0.2, 0.3), s).items())) for s in range(20)}
    assert len(divisions) == 20
    held_out = [hold_out(names, 0.1, seed) for seed in range(40)]
    assert len(set().union(*held_out)) > 45


def test_counts_leave_the_rest_out():
    found = assign(list("abcdefghij"), (2, 3, 1), seed=1)
    assert counts(found) == (2, 3, 1)
    assert len(found) == 6


def test_fractions_are_taken_of_every_kind():
    kinds = {f"real{i}": "real" for i in range(4)} | {f"fake{i}": "fake" for i in range(60)}
    for seed in range(20):
        found = assign(kinds, SIZES.default, seed, kinds)
        assert {split for name, split in found.items() if kinds[name] == "real"} == set(SPLITS)
        assert counts({n: s for n, s in found.items() if kinds[n] == "fake"}) == (48, 6, 6)
        assert counts(assign(kinds, (10, 5, 5), seed, kinds)) == (10, 5, 5)


@pytest.mark.parametrize("total", [0, 1, 2, 3])
def test_few_names(total):
    names = [str(number) for number in range(total)]
    found = assign(names, SIZES.default, seed=0)
    assert set(found) == set(names)
    assert counts(found) == {0: (0, 0, 0), 1: (1, 0, 0), 2: (2, 0, 0), 3: (1, 1, 1)}[total]


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0.5, 0.2, 0.2), "fractions that add up to 1, or whole counts.*add up to 0.9"),
        ((0.8, 0.1), "three sizes"),
        ((0, 0, 0), "add up to 0"),
        ((8, 1.5, 1), "whole counts"),
        ((math.inf, 0, 0), "whole counts"),
        ((math.nan, 0, 0), "whole counts"),
        ((8, 1, 2), "ask for 11 identities or videos; there are 10"),
    ],
)
def test_sizes_that_cannot_be_met(sizes, message):
    with pytest.raises(InputError, match=message):
        assign(list("abcdefghij"), sizes, seed=0)


def test_counts_are_checked_where_there_is_no_name_at_all():
    with pytest.raises(InputError, match="there are 0"):
        assign([], (8, 1, 1), seed=0)


def test_hold_out():
    names = [str(number) for number in range(30)]
    taken = hold_out(names, 0.1, seed=3)
    assert len(taken) == 3
    assert taken == hold_out(names[::-1], 0.1, seed=3)
    assert taken != hold_out(names, 0.1, seed=4)
    assert len(hold_out(names[:5], 0.1, seed=3)) == 1
    assert hold_out(names[:1], 0.5, seed=3) == set()
    assert hold_out(names, 0, seed=3) == set()
    assert hold_out([], 0.1, seed=3) == set()
    kinds = {name: name == "7" or name == "8" for name in names}
    assert len({"7", "8"} & hold_out(names, 0.1, 3, kinds)) == 1


def test_shuffled_depends_on_the_seed_alone():
    names = [f"é{number}" for number in range(20)] + ["caf\udce9"]
    assert shuffled(names, 1) == shuffled(set(names), 1)
    assert shuffled(names, 1) != shuffled(names, 2)
    assert sorted(shuffled(names, 1)) == sorted(names)
