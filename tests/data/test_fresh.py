"""Faces that training forges itself, others in every epoch."""

import json

import fresh_records
import h5py
import numpy as np
import pytest
import tensorflow as tf
from epochs import read, same
from fresh_records import SIZE, STORED, face, people
from PIL import Image
from skimage import color, feature

import lrl_keras
from lrl_keras.benchmark import benchmark_data
from lrl_keras.cli import main
from lrl_keras.data import blending, boxes, examples, fresh, load
from lrl_keras.data.records import Records
from lrl_keras.data.schema import decode, encode
from lrl_keras.errors import InputError
from lrl_keras.evaluation.inspection import inspect
from lrl_keras.training.trainer import Settings, train

IDENTITIES, EACH = 5, 2


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Two faces of each of five identities in three shards; not to be changed."""
    return fresh_records.write(tmp_path_factory.mktemp("fresh") / "records", people(5))


def epoch(records, batch_size=4, **arguments):
    """Images, masks, labels and weights of an epoch, joined over its batches."""
    arguments = {"augment": "none", "drop_remainder": False, **arguments}
    batches = read(load(records, "train", batch_size, **arguments))
    images, targets, weights = (
        tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *part)
        for part in zip(*batches, strict=True)
    )
    return images, targets["mask"], targets["label"][:, 0], weights["mask"]


@pytest.fixture(scope="module")
def first(records):
    return epoch(records)


def test_real_and_forged_alternate(first):
    images, masks, labels, weights = first
    assert images.shape == (2 * IDENTITIES * EACH, SIZE, SIZE, 3)
    np.testing.assert_array_equal(labels, [0, 1] * IDENTITIES * EACH)
    np.testing.assert_array_equal(masks.any(axis=(1, 2, 3)), labels)
    assert set(np.unique(masks)) == {0, 1}
    assert (weights == 1).all()


@pytest.mark.parametrize("augment", ["flip", "video"])
def test_real_and_forged_pass_through_the_same_changes(records, first, augment):
    def differences(images):
        # The border, which no region of these faces reaches; the real face before its forgery.
        rows = images[:, :2].reshape(len(images) // 2, 2, -1)
        return np.abs(rows[:, 0] - rows[:, 1]).mean(axis=1)

    changed, *_ = epoch(records, augment=augment)
    assert np.abs(changed - first[0]).mean() > 1
    # What is compressed differs a little even far from where the pictures do.
    np.testing.assert_allclose(differences(changed), differences(first[0]), atol=6)


def test_a_forgery_is_of_the_view_before_it(first):
    images, masks, *_ = first
    for real, forged, mask in zip(images[::2], images[1::2], masks[1::2, ..., 0], strict=True):
        changed = np.abs(forged - real).max(axis=2)
        assert changed[mask == 1].mean() > 1
        assert not changed[[0, 0, -1, -1], [0, -1, 0, -1]].any()
        assert (changed == 0).mean() > 0.3


def test_each_face_comes_as_often_as_it_is_to_be_forged(tmp_path):
    records = fresh_records.write(tmp_path, people(3), forgeries=3)
    assert Records.open(records).split("train").totals == (18, 18)
    for batch_size, batches in ((4, 9), (10, 3)):
        dataset = load(records, "train", batch_size)
        assert dataset.cardinality() == batches
        assert len(read(dataset)) == batches
    images, _, labels, _ = epoch(records)
    assert labels.sum() == 18
    assert len({image.tobytes() for image in images}) == 36


def test_an_epoch_follows_from_its_number_and_the_seed_alone(records, first):
    dataset = load(records, "train", 4, seed=1)
    one, two, three = (read(dataset) for _ in range(3))
    assert not same(one, two)
    resumed = load(records, "train", 4, seed=1, epoch=1)
    assert same(read(resumed), two)
    assert same(read(resumed), three)
    assert not same(read(load(records, "train", 4, seed=2)), one)
    for joined, again in zip(first, epoch(records, batch_size=7), strict=True):
        np.testing.assert_array_equal(joined, again)


def test_faces_come_in_another_order_in_each_epoch_unless_told_otherwise(tmp_path):
    # Told apart by their level: the colours of self-blended faces are not matched.
    faces = [face(number, 0) for number in range(6)]
    for level, each in enumerate(faces):
        each.image[:] = 20 + 40 * level
    records = fresh_records.write(tmp_path, [faces], methods=["self-blended"])

    def order(**arguments):
        images, *_ = epoch(records, **arguments)
        return np.rint((images[::2].mean(axis=(1, 2, 3)) - 20) / 40).tolist()

    told = [order(shuffle=False, epoch=number) for number in (0, 1)]
    shuffled = [order(epoch=number) for number in (0, 1, 2)]
    assert all(np.abs(np.subtract(found, range(6))).max() <= 1 for found in told)
    assert len({tuple(found) for found in shuffled}) > 1


def test_donors_are_of_another_identity_and_every_other_one_is_held_alike():
    # Of each identity one that looks to the left and one that looks to the right.
    noses = {(0, 0): -6, (0, 1): 7, (1, 0): 6.5, (1, 1): -6.5, (2, 0): -3, (2, 1): 2}
    names = {f"{one}/{number}.png": nose for (one, number), nose in noses.items()}
    entries = tf.constant([encode(face(*key, nose=nose)) for key, nose in noses.items()])
    pairs = zip(*(part.numpy() for part in fresh._with_donors(entries)), strict=True)
    for place, pair in enumerate(pairs):
        own, donor = (decode(entry)["video"].numpy().decode() for entry in pair)
        others = [name for name in names if name[0] != own[0]]
        nearest = min(others, key=lambda name: abs(names[name] - names[own]))
        assert donor in ([nearest] if place % 2 == 0 else others)


@pytest.fixture
def forged(monkeypatch):
    """What `forge` is called with, in the order in which the examples are made."""
    calls = []
    forge = blending.forge

    def note(method, target, donor, rng):
        calls.append((method, donor))
        return forge(method, target, donor, rng)

    monkeypatch.setattr(blending, "forge", note)
    return calls


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        (None, {"self-blended", "swap"}),
        (["swap"], {"swap"}),
        ("self-blended", {"self-blended"}),
    ],
)
def test_methods_are_drawn_of_those_asked_for(records, forged, methods, expected):
    epoch(records, methods=methods)
    assert {method for method, _ in forged} == expected
    for method, donor in forged:
        assert (donor is None) == (method == "self-blended")


def test_a_single_identity_is_blended_with_itself(tmp_path, forged):
    records = fresh_records.write(tmp_path, [[face(0, number) for number in range(4)]])
    _, masks, labels, _ = epoch(records, methods="swap")
    assert [method for method, _ in forged] == ["self-blended"] * 4
    assert labels.sum() == 4
    assert masks[1::2].any(axis=(1, 2, 3)).all()


def test_what_cannot_be_forged_is_real(records, monkeypatch):
    monkeypatch.setattr(
        blending,
        "forge",
        lambda method, target, donor, rng: (target.image, *np.zeros((2, SIZE, SIZE), np.uint8)),
    )
    images, masks, labels, _ = epoch(records)
    assert not masks.any()
    assert not labels.any()
    np.testing.assert_array_equal(images[::2], images[1::2])


@pytest.mark.parametrize("augment", ["flip", "strong", "video"])
def test_every_augmentation_takes_them(records, augment):
    images, masks, labels, _ = epoch(records, augment=augment, image_size=48)
    assert images.shape == (20, 48, 48, 3)
    assert set(np.unique(masks)) == {0, 1}
    assert labels.sum() == 10


def test_what_forges_cannot_be_read_as_examples(records):
    for split in ("train", "all"):
        with pytest.raises(InputError, match=r"faces that training forges, .*name val or test"):
            examples(records, split, batch_size=4)
    assert sum(len(batch["label"]) for batch in examples(records, "val", batch_size=9)) == 42


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"cache": True}, "forged anew in every epoch; leave the cache out"),
        ({"methods": ["Deepfakes"]}, "not forged by the method 'Deepfakes'; .* self-blended, swap"),
        ({"batch_size": 21}, "20 examples .* do not fill one batch"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(records, arguments, words):
    with pytest.raises(InputError, match=words) as caught:
        load(records, "train", **{"batch_size": 4, **arguments})
    assert "\n" not in str(caught.value)


def test_boxes_are_those_of_the_crops(records):
    found = boxes(records)
    assert found["self-blended", "real", "0/1.png"] == {0: [(20, 30, 84, 94)]}
    assert len(found) == 10 + 8


def test_inspection_counts_and_shows_the_faces(records, tmp_path, capsys):
    out = tmp_path / "sheet.png"
    found = inspect(records, out=out, progress=False)
    assert not any(shard["fault"] for shard in found["shards"])
    assert found["balance"]["train"] == {"real": 10, "forged": 0}
    with Image.open(out) as sheet:
        shown = color.rgb2gray(np.asarray(sheet.convert("RGB"))[:300, :300])
    # The first of the evenly spaced ones, with the room around it.
    whole = color.rgb2gray(face(0, 1).image)
    assert feature.match_template(shown, whole).max() > 0.999
    assert main(["inspect", str(records), "--split", "train", "--out", str(out)]) == 0
    assert "train" in capsys.readouterr().out


def test_the_benchmark_measures_them_and_leaves_the_cache_out(records):
    short = {"batch_size": 4, "seconds": 0.1, "warmup": 0.05, "repeats": 1}
    found = benchmark_data(records, augment=["none", "video"], **short)
    assert list(found["pipelines"]) == ["none", "video"]
    assert (found["image_size"], found["examples"]) == (SIZE, 20)
    with pytest.raises(InputError, match="leave the cache out"):
        benchmark_data(records, cache=True, **short)


def test_damaged_faces_end_in_an_error_that_names_them(tmp_path):
    records = fresh_records.write(tmp_path, people(2))
    shard = next(records.glob("train-*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=shard.name):
        load(records, "train", 4)


def test_faces_without_room_end_in_an_error_that_names_them(tmp_path):
    small = face(0, 0)
    small = type(small)(**{**vars(small), "image": small.image[:SIZE, :SIZE]})
    records = fresh_records.write(tmp_path, [[small, face(1, 0)]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"no PNG of {STORED} x {STORED}"):
        epoch(records)


SMALL = {
    "backbone": "tiny", "weights": None, "image_size": SIZE, "patches": 4, "frequency": False,
    "epochs": 2, "batch_size": 4, "augment": "video",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(records, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "finished"
    return run, train(records, run, Settings(**SMALL), verbose=0)


@pytest.mark.long
def test_a_resumed_training_gives_the_same_weights(finished, records, tmp_path):
    run, _ = finished
    half = tmp_path / "half"
    train(records, half, Settings(**{**SMALL, "epochs": 1}), verbose=0)
    train(records, half, Settings(**SMALL), resume=True, verbose=0)
    name = "checkpoints/epoch-00002.h5"
    with h5py.File(run / name) as whole, h5py.File(half / name) as resumed:
        assert sorted(whole) == sorted(resumed)
        for key in whole:
            np.testing.assert_array_equal(whole[key][()], resumed[key][()])
    assert (half / "history.csv").read_text() == (run / "history.csv").read_text()


@pytest.mark.long
def test_what_is_trained_on_video_is_validated_on_video(finished, records):
    run, model = finished
    rows = [row.split(",") for row in (run / "history.csv").read_text().splitlines()]
    last = dict(zip(rows[0], map(float, rows[-1]), strict=True))
    losses = {}
    for augment in ("video", "none"):
        found = model.evaluate(
            load(records, "val", 4, augment=augment), verbose=0, return_dict=True
        )
        losses[augment] = found["loss"]
    assert last["val_loss"] == pytest.approx(losses["video"], rel=1e-4)
    assert abs(losses["none"] - losses["video"]) > 1e-3 * losses["video"]


@pytest.mark.long
def test_evaluation_needs_examples(finished, records, capsys):
    run, _ = finished
    assert main(["evaluate", str(run), str(records), "--split", "train"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "faces that training forges, not examples; name val or test" in line
    assert not (run / "metrics.json").exists()
    assert lrl_keras.load(run).crop_size == SIZE
    config = json.loads((run / "config.json").read_text())
    assert config["records"]["manifest_sha256"] == Records.open(records).fingerprint
