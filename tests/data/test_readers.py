"""Examples kept in memory are the same as those read from the shards."""

import numpy as np
import photographs
import pytest
import tensorflow as tf
from epochs import read, same
from skimage import data

from lrl_keras.data import load, manifest
from lrl_keras.errors import InputError
from lrl_keras.system import hardware


@pytest.mark.parametrize(
    ("split", "arguments"),
    [
        ("train", {"seed": 4, "shuffle_buffer": 16}),
        ("train", {"augment": "strong", "epoch": 2}),
        ("train", {"balance": False, "image_size": 32}),
        ("train", {"shuffle": False}),
        ("val", {}),
    ],
)
def test_batches_are_the_same_with_and_without_cache(photograph_records, split, arguments):
    stored, cached = (
        load(photograph_records, split, 8, cache=cache, **arguments) for cache in (False, True)
    )
    assert cached.element_spec == stored.element_spec
    assert cached.cardinality() == stored.cardinality()
    for _ in range(2):
        assert same(read(cached), read(stored))


def test_the_shards_are_read_once(tmp_path):
    clip = list(photographs.clip(data.astronaut(), "astronaut", "real", 8))
    records = photographs.write_records(tmp_path, [("val", clip)])
    dataset = load(records, "val", 4, cache=True)
    for shard in records.glob("*.tfrecord"):
        shard.unlink()
    for _ in range(2):
        images = np.concatenate([image for image, _, _ in read(dataset)])
        np.testing.assert_array_equal(images, [example.image for example in clip])


def test_what_is_kept_is_never_changed(photograph_records):
    dataset = load(photograph_records, "train", 8, cache=True, augment="strong")
    first = read(dataset)
    for _ in range(3):
        read(dataset)
    dataset.epoch = 0
    assert same(read(dataset), first)


@pytest.mark.parametrize("said", [6, 10])
def test_another_number_of_examples_than_the_manifest_says(tmp_path, said):
    clip = list(photographs.clip(data.astronaut(), "astronaut", "real", 8))
    records = photographs.write_records(tmp_path, [("val", clip)])
    content = manifest.read(records)
    content["shards"][0].update(examples=said, labels={"0": said, "1": 0})
    manifest.write(records, content)
    with pytest.raises(InputError, match=f"does not hold the {said} examples") as caught:
        load(records, "val", 4, cache=True)
    assert str(records) in str(caught.value)


def test_too_many_examples_for_the_memory_are_refused(tmp_path):
    clip = list(photographs.clip(data.astronaut(), "astronaut", "real", 8))
    records = photographs.write_records(tmp_path, [("val", clip)])
    content = manifest.read(records)
    content["shards"][0].update(examples=10**9, labels={"0": 10**9, "1": 0})
    manifest.write(records, content)
    with pytest.raises(InputError, match=r"takes 9216\.0 GB of memory") as caught:
        load(records, "val", 4, cache=True)
    assert "\n" not in str(caught.value)
    assert load(records, "val", 4).cardinality() == 10**9 // 4


def test_free_memory_is_some_of_the_machines_and_less_when_it_is_used():
    before = hardware.free_memory()
    block = np.ones(1 << 29, np.uint8)
    after = hardware.free_memory()
    assert 0 < after < before - len(block) // 2
    with open("/proc/meminfo", encoding="ascii") as file:
        total = int(file.readline().split()[1]) * 1024
    assert before < total


def test_damage_is_found_while_the_cache_is_filled(tmp_path):
    clip = list(photographs.clip(data.astronaut(), "astronaut", "real", 8))
    records = photographs.write_records(tmp_path, [("val", clip)], image_size=40)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[astronaut\].*\[48 48\]"):
        load(records, "val", 4, cache=True)
