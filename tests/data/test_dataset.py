import collections
import json
import re
import subprocess
import sys

import fitting
import numpy as np
import photographs
import pytest
import tensorflow as tf
from damage import png_of_zeros
from epochs import read, same
from PIL import Image
from skimage import data

from lrl_keras.data import boxes, examples, load, manifest
from lrl_keras.data.schema import encode_png
from lrl_keras.errors import InputError
from lrl_keras.system import files

SIZE = photographs.SIZE


def pictures(epoch):
    """The images of an epoch as bytes, each turned so that its mirror image is the same."""
    for images, _, _ in epoch:
        for image in images.astype(np.uint8):
            yield min(image.tobytes(), image[:, ::-1].tobytes())


@pytest.fixture
def one_clip():
    return list(photographs.clip(data.astronaut(), "astronaut", "real", 8))


def test_batches_have_the_promised_form(photograph_records):
    dataset = load(photograph_records, "train", 8)
    image, targets, weights = next(iter(dataset))
    assert (image.shape, image.dtype) == ((8, SIZE, SIZE, 3), tf.float32)
    assert 100 < tf.reduce_max(image) <= 255
    assert (targets["label"].shape, targets["label"].dtype) == ((8, 1), tf.float32)
    for name in ("similarity", "mask"):
        assert (targets[name].shape, targets[name].dtype) == ((8, SIZE, SIZE, 1), tf.float32)
        assert set(np.unique(targets[name])) == {0, 1}
    assert set(weights) == set(targets) == {"label", "similarity", "mask"}
    assert all((w.shape, w.dtype) == ((8,), tf.float32) for w in weights.values())


def test_the_mask_is_unknown_for_unpaired_fakes_alone(photograph_records):
    seen = collections.Counter()
    for batch in examples(photograph_records, "train", batch_size=16).as_numpy_iterator():
        for method, known, mask in zip(
            batch["method"], batch["has_mask"], batch["mask"], strict=True
        ):
            seen[method, bool(known), float(mask.sum())] += 1
    assert seen == {
        (b"real", True, 0.0): 24,
        (b"Deepfakes", True, 400.0): 24,
        (b"FaceSwap", True, 400.0): 14,
        (b"Face2Face", False, 0.0): 22,
    }
    for _, targets, weights in read(load(photograph_records, "val", 8)):
        np.testing.assert_array_equal(weights["label"], 1)
        np.testing.assert_array_equal(weights["mask"], weights["similarity"])
        forged, pasted = targets["label"][:, 0], targets["mask"].any(axis=(1, 2, 3))
        np.testing.assert_array_equal(weights["mask"], (forged == 0) | pasted)


def test_examples_come_once_in_order_with_all_that_is_known(photograph_records):
    expected = [
        example
        for split, shard in photographs.shards_of_photographs()
        if split == "test"
        for example in shard
    ]
    dataset = examples(photograph_records, "test", batch_size=16)
    assert dataset.cardinality() == 3
    batches = read(dataset)
    assert [len(batch["image"]) for batch in batches] == [16, 16, 10]
    found = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    np.testing.assert_array_equal(found["image"], [example.image for example in expected])
    assert found["image"].dtype == np.float32
    for name in ("dataset", "method", "compression", "video"):
        assert [text.decode() for text in found[name]] == [getattr(e, name) for e in expected]
    for name in ("label", "has_mask", "frame", "box"):
        np.testing.assert_array_equal(found[name], [getattr(e, name) for e in expected])


@pytest.mark.parametrize("split", ["val", "test"])
def test_validation_is_everything_in_file_order_unchanged(photograph_records, split):
    whole = load(photograph_records, split, 16)
    assert whole.cardinality() == 3
    ordered = [b["image"] for b in examples(photograph_records, split, batch_size=16)]
    for _ in range(2):
        for (image, _, _), expected in zip(read(whole), ordered, strict=True):
            np.testing.assert_array_equal(image, expected)


def test_an_epoch_is_balanced_and_full(photograph_records):
    dataset = load(photograph_records, "train", 10)
    assert dataset.cardinality() == 4
    epoch = read(dataset)
    assert [len(image) for image, _, _ in epoch] == [10] * 4
    whole = read(load(photograph_records, "train", 10, drop_remainder=False))
    assert sum(targets["label"].sum() for _, targets, _ in whole) == 24
    assert sum(len(image) for image, _, _ in whole) == 48
    assert len(set(pictures(whole))) == 48


def test_epochs_take_turns_over_all_fakes(photograph_records):
    dataset = load(photograph_records, "train", 8, seed=4)
    fakes = []
    for _ in range(3):
        epoch = read(dataset)
        labels = [label for _, targets, _ in epoch for label in targets["label"]]
        fakes.append({p for p, label in zip(pictures(epoch), labels, strict=True) if label})
    assert [len(taken) for taken in fakes] == [24, 24, 24]
    assert not fakes[0] & fakes[1]
    assert len(fakes[0] | fakes[1] | fakes[2]) == 60


def test_an_epoch_follows_from_its_number_and_the_seed_alone(photograph_records):
    uninterrupted = load(photograph_records, "train", 8, seed=1, shuffle_buffer=16)
    epochs = [read(uninterrupted) for _ in range(4)]
    for first in range(4):
        assert not any(same(epochs[first], epochs[other]) for other in range(first))
    tf.random.set_seed(99)
    resumed = load(photograph_records, "train", 8, seed=1, epoch=2, shuffle_buffer=16)
    assert resumed.epoch == 2
    assert same(read(resumed), epochs[2])
    assert same(read(resumed), epochs[3])
    assert resumed.epoch == 4
    resumed.epoch = 1
    assert same(read(resumed), epochs[1])
    other = load(photograph_records, "train", 8, seed=2, shuffle_buffer=16)
    assert not same(read(other), epochs[0])


def test_an_abandoned_iterator_that_gave_nothing_counts_as_no_epoch(photograph_records):
    dataset = load(photograph_records, "train", 8)
    iter(dataset)
    assert dataset.epoch == 0


def test_half_of_the_images_are_flipped_and_their_masks_with_them(photograph_records):
    plain = load(photograph_records, "train", 8, augment="none")
    flipped = load(photograph_records, "train", 8)
    turned = 0
    for (image, targets, _), (other, others, _) in zip(read(plain), read(flipped), strict=True):
        mirrored = [np.array_equal(a[:, ::-1], b) for a, b in zip(image, other, strict=True)]
        np.testing.assert_array_equal(
            np.where(np.reshape(mirrored, (-1, 1, 1, 1)), image[:, :, ::-1], image), other
        )
        mask = targets["mask"]
        np.testing.assert_array_equal(
            np.where(np.reshape(mirrored, (-1, 1, 1, 1)), mask[:, :, ::-1], mask), others["mask"]
        )
        turned += sum(mirrored)
    assert 14 <= turned <= 34  # 48 fair coins: outside in 3 of 1000 seeds


def test_another_image_size_is_resized_like_pillow(photograph_records):
    bilinear = Image.Resampling.BILINEAR
    small = examples(photograph_records, "val", batch_size=42, image_size=32)
    whole = examples(photograph_records, "val", batch_size=42)
    (small,), (whole,) = read(small), read(whole)
    for image, original in zip(small["image"], whole["image"].astype(np.uint8), strict=True):
        expected = np.asarray(Image.fromarray(original).resize((32, 32), bilinear))
        assert np.abs(image - expected).max() <= 1
    assert small["mask"].shape == (42, 32, 32, 1)
    assert set(np.unique(small["mask"])) == {0, 1}
    both = small["mask"].mean(axis=(1, 2, 3)), whole["mask"].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(*both, atol=0.03)


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
def test_fit_gets_one_epoch_a_time(photograph_records):
    dataset = load(photograph_records, "train", 8)
    validation = load(photograph_records, "val", 8)
    numbers, _ = fitting.fit(fitting.small_model(SIZE), dataset, 3, validation_data=validation)
    assert numbers == [[0, 1], [1, 2], [2, 3]]


@pytest.mark.tensorflow
@pytest.mark.long
def test_two_devices_train_alike_on_one_dataset(photograph_records):
    command = [sys.executable, fitting.__file__, str(photograph_records), str(SIZE)]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        for _ in range(2)
    ]
    (numbers, losses), again = (json.loads(run.stdout.splitlines()[-1]) for run in runs)
    assert numbers == [[0, 1], [1, 2]]
    assert again == [numbers, losses]


def test_damaged_shards_are_found_before_the_first_batch(tmp_path, one_clip):
    records = photographs.write_records(tmp_path, [("val", one_clip), ("test", one_clip)])
    shard = next(tmp_path.glob("val*"))
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    for reader in (load, examples):
        with pytest.raises(InputError, match=re.escape(str(shard))):
            reader(records, "val", batch_size=4)
    shard.unlink()
    with pytest.raises(InputError, match="missing"):
        load(records, "val", 4)
    assert len(read(load(records, "test", 4))) == 2


def test_what_cannot_be_loaded_is_said(tmp_path, one_clip):
    forged = list(photographs.clip(data.astronaut(), "a_b", "Deepfakes", 8))
    records = photographs.write_records(
        tmp_path / "all", [("train", one_clip), ("val", one_clip + forged), ("test", [])]
    )
    for arguments, words in {
        ("train", 4): "none of them forged",
        ("test", 4): "no examples; there are: train, val",
        ("exam", 4): "must be one of train, val, test or all",
        ("val", 0): "batch_size must be at least 1",
    }.items():
        with pytest.raises(InputError, match=words):
            load(records, *arguments)
    with pytest.raises(InputError, match="do not fill one batch of 17"):
        load(records, "val", 17, balance=True, drop_remainder=True)
    with pytest.raises(InputError, match="none, flip"):
        load(records, "val", 4, augment="turn")
    with pytest.raises(InputError, match="not found"):
        load(tmp_path / "elsewhere", "val", 4)
    assert load(records, "train", 4, balance=False).cardinality() == 2


def test_a_manifest_that_contradicts_itself_is_refused(tmp_path, one_clip):
    records = photographs.write_records(tmp_path, [("val", one_clip)])
    content = manifest.read(records)
    content["shards"][0]["labels"] = {"0": 3, "1": 4}
    manifest.write(records, content)
    with pytest.raises(InputError, match="8 examples but labels"):
        load(records, "val", 4)


def test_too_few_examples_for_the_manifest_end_in_an_error(tmp_path, one_clip):
    records = photographs.write_records(tmp_path, [("val", one_clip)])
    content = manifest.read(records)
    content["shards"][0].update(examples=20, labels={"0": 20, "1": 0})
    manifest.write(records, content)
    with pytest.raises(tf.errors.FailedPreconditionError, match="expected to contain 5"):
        read(load(records, "val", 4))


@pytest.mark.parametrize(
    ("feature", "content", "words"),
    [
        ("image", encode_png(np.zeros((50, 48, 3), np.uint8)), r"\[astronaut\].*\[6\].*\[50 48\]"),
        ("image", png_of_zeros(20000, 20000), r"\[astronaut\].*\[6\].*\[20000 20000\]"),
        ("image", b"", r"\[astronaut\].*\[6\].*no PNG"),
        ("image", b"\xff\xd8\xff" * 99, r"\[astronaut\].*\[6\].*no PNG"),
        ("image", encode_png(np.zeros((48, 48, 3), np.uint8))[:60], "Invalid PNG"),
        ("mask", encode_png(np.zeros((4, 4), np.uint8)), r"mask of video.*\[4 4\]"),
    ],
    ids=["size", "bomb", "empty", "jpeg", "cut", "mask"],
)
def test_examples_that_lie_end_in_an_error_that_says_so(
    tmp_path, one_clip, feature, content, words
):
    records = photographs.write_records(tmp_path, [("val", one_clip)])
    shard = next(records.glob("*.tfrecord"))
    stored = [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]
    lie = tf.train.Example.FromString(stored[2])
    lie.features.feature[feature].bytes_list.value[0] = content
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in [*stored[:2], lie.SerializeToString(), *stored[3:]]:
            writer.write(record)
    changed = manifest.read(records)
    changed["shards"][0]["sha256"] = files.sha256(shard)
    manifest.write(records, changed)
    for reader in (load, examples):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            read(reader(records, "val", batch_size=4))


def test_the_boxes_of_all_splits_are_found(photograph_records):
    found = boxes(photograph_records)
    expected = {}
    for _, shard in photographs.shards_of_photographs():
        for example in shard:
            clip = expected.setdefault((example.dataset, example.method, example.video), {})
            clip[example.frame] = [example.box]
    assert found == expected
    assert len(found) == 16


@pytest.mark.parametrize("cache", [False, True])
def test_forgeries_of_other_methods_are_left_out(photograph_records, cache):
    def methods(split, **arguments):
        batches = examples(photograph_records, split, batch_size=7, **arguments)
        found = [name.decode() for batch in batches for name in batch["method"].numpy()]
        assert batches.cardinality() == -(-len(found) // 7)
        return collections.Counter(found)

    everything = methods("train")
    assert set(everything) == {"real", "Deepfakes", "FaceSwap", "Face2Face"}
    for chosen in (("FaceSwap",), ("Face2Face", "Deepfakes")):
        expected = {name: everything[name] for name in ("real", *chosen)}
        assert methods("train", methods=chosen) == expected
        batches = load(
            photograph_records, "train", 1, methods=chosen, balance=False, shuffle=False,
            augment="none", cache=cache,
        )  # fmt: skip
        labels = [int(targets["label"][0, 0]) for _, targets, _ in batches]
        assert len(batches) == len(labels) == sum(expected.values())
        assert sum(labels) == sum(expected.values()) - expected["real"]


def test_one_method_is_balanced_against_all_real_faces(photograph_records):
    batches = load(photograph_records, "train", 2, methods=["FaceSwap"], shuffle_buffer=16)
    for _ in range(2):
        labels = np.concatenate([targets["label"].numpy() for _, targets, _ in batches])
        assert labels.sum() == len(labels) / 2 == 14


def test_a_method_that_is_not_there_is_said(photograph_records):
    for reader in (load, examples):
        with pytest.raises(InputError, match="'swap'; there are: Deepfakes, Face2Face, FaceSwap"):
            reader(photograph_records, "val", batch_size=4, methods=["FaceSwap", "swap"])


def test_all_is_the_three_splits(photograph_records):
    def faces(split):
        batches = examples(photograph_records, split, batch_size=5, methods=["Deepfakes"])
        return [
            (batch["video"][i].numpy(), batch["frame"][i].numpy(), batch["label"][i].numpy())
            for batch in batches
            for i in range(len(batch["label"]))
        ]

    every = [face for split in ("train", "val", "test") for face in faces(split)]
    assert sorted(faces("all")) == sorted(every)
    assert len(every) == 4 * (12 + 12)
