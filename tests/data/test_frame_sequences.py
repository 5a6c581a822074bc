"""Sequences of a clip's faces: which ones, in which order, and changed alike."""

import collections
import itertools

import numpy as np
import photographs
import pytest
from epochs import read, same

from lrl_keras.data import examples, load, sequences
from lrl_keras.errors import InputError
from lrl_keras.evaluation import metrics_report

pytestmark = pytest.mark.tensorflow


def clips(split):
    """The images of each clip of a split of the photographs, in order, and whether it is forged."""
    found = collections.defaultdict(list)
    for name, shard in photographs.shards_of_photographs():
        for example in shard if name == split else ():
            key = example.method, example.video
            found[key].append(example.image)
    return {key: np.stack(images) for key, images in found.items()}


def places(sequence, images):
    """The numbers of the faces of a sequence within a clip, `None` where it is of another one."""
    flat = images.reshape(len(images), -1)
    found = [np.flatnonzero((flat == face.reshape(-1)).all(1)) for face in sequence]
    return [int(where[0]) for where in found] if all(map(len, found)) else None


def located(epoch, split):
    """(clip, numbers of its faces) of each sequence of an epoch that nothing changed."""
    known = clips(split)
    for images, targets, _ in epoch:
        for sequence, label in zip(images.astype(np.uint8), targets["label"], strict=True):
            ((key, where),) = [
                (key, where)
                for key, faces in known.items()
                if (where := places(sequence, faces)) is not None
            ]
            assert label[0] == (key[0] != "real")
            yield key, where


def test_a_batch_has_the_promised_form(photograph_records):
    dataset = load(photograph_records, "train", 2, frames=3, image_size=32)
    assert dataset.cardinality() == 2  # One sequence of each of two real and two forged clips.
    epoch = read(dataset)
    assert len(epoch) == 2
    labels = np.concatenate([targets["label"] for _, targets, _ in epoch])
    assert labels.sum() == 2
    for images, targets, weights in epoch:
        assert (images.shape, images.dtype) == ((2, 3, 32, 32, 3), np.float32)
        assert targets["label"].shape == (2, 1)
        assert targets["mask"].shape == (2, 3, 32, 32, 1)
        assert targets["mask"].any(axis=(2, 3, 4))[weights["mask"] == 0].sum() == 0
        assert all(weight.shape == (2,) for weight in weights.values())


def test_validation_covers_every_face_once_but_for_a_clips_last_sequence(photograph_records):
    # Clips of 12, 12, 7 and 11 faces.
    found = list(located(read(load(photograph_records, "val", 4, frames=5)), "val"))
    expected = {12: [range(5), range(5, 10), range(7, 12)], 7: [range(5), range(2, 7)]}
    expected[11] = [range(5), range(5, 10), range(6, 11)]
    for key, faces in clips("val").items():
        assert [where for other, where in found if other == key] == list(
            map(list, expected[len(faces)])
        )


def test_a_short_clip_repeats_its_faces_evenly(photograph_records):
    found = list(located(read(load(photograph_records, "val", 4, frames=14)), "val"))
    assert len(found) == 4
    for key, where in found:
        size = len(clips("val")[key])
        assert where == sorted(where)
        assert set(collections.Counter(where).values()) <= {14 // size, 14 // size + 1}
        assert len(set(where)) == size


def test_training_draws_one_run_of_each_clip(photograph_records):
    dataset = load(
        photograph_records, "train", 2, frames=4, augment="none", balance=False, shuffle=False
    )
    drawn = collections.defaultdict(set)
    for _ in range(12):
        epoch = list(located(read(dataset), "train"))
        assert len({key for key, _ in epoch}) == len(epoch) == 8
        for key, where in epoch:
            assert where == list(range(where[0], where[0] + 4))
            drawn[key].add(where[0])
    assert all(len(starts) > 2 for starts in drawn.values())
    assert max(max(starts) for starts in drawn.values()) == 8


def test_balance_goes_round_the_forged_clips(photograph_records):
    dataset = load(photograph_records, "train", 2, frames=2, augment="none")
    seen = collections.Counter()
    for _ in range(3):
        epoch = list(located(read(dataset), "train"))
        seen.update(key for key, _ in epoch)
        assert sum(key[0] == "real" for key, _ in epoch) == 2
    assert len(seen) == 8
    assert {seen[key] for key in seen if key[0] != "real"} == {1}


def test_methods_choose_clips(photograph_records):
    dataset = load(photograph_records, "val", 2, frames=5, methods=["FaceSwap"])
    assert dataset.cardinality() == 3
    found = list(located(read(dataset), "val"))
    assert collections.Counter(key[0] for key, _ in found) == {"real": 3, "FaceSwap": 2}


def test_an_epoch_follows_from_its_number_alone(photograph_records):
    arguments = {"frames": 3, "augment": "strong", "image_size": 32}
    whole = load(photograph_records, "train", 2, seed=5, **arguments)
    first, second = read(whole), read(whole)
    assert not same(first, second)
    assert same(read(load(photograph_records, "train", 2, seed=5, epoch=1, **arguments)), second)
    assert not same(read(load(photograph_records, "train", 2, seed=6, **arguments)), first)


def test_the_frames_of_a_sequence_are_mirrored_together(photograph_records):
    known = clips("train")
    mirrored = collections.Counter()
    dataset = load(photograph_records, "train", 4, frames=3)
    for _ in range(8):
        for images, _, _ in read(dataset):
            for sequence in images.astype(np.uint8):
                ways = [
                    turn
                    for turn in (1, -1)
                    if any(places(sequence[:, :, ::turn], faces) for faces in known.values())
                ]
                assert len(ways) == 1
                mirrored.update(ways)
    assert min(mirrored[1], mirrored[-1]) > 3


class Brightness:
    """A network that scores faces by their brightness, and the middle of sequences."""

    def __init__(self, frames):
        self.frames = frames
        self.seen = []

    def predict_on_batch(self, inputs):
        self.seen.extend(inputs)
        axes = tuple(range(1, np.ndim(inputs)))
        return {"label": np.asarray(inputs).mean(axis=axes)[:, None]}


@pytest.mark.parametrize("frames", [2, 5, 12, 14])
@pytest.mark.parametrize("size", [1, 7, 32])
def test_scores_are_those_of_the_validations_sequences(photograph_records, frames, size):
    model = Brightness(frames)
    scores, found, keys = sequences.Scores(model), [], []
    for batch in examples(photograph_records, "val", batch_size=size):
        described = metrics_report.described(batch)
        of = list(zip(described["method"], described["video"], strict=True))
        keys += of
        found += scores.add(batch["image"].numpy(), of)
    found += scores.finish()
    assert len(found) == len(keys) == 42
    loaded = read(load(photograph_records, "val", 3, frames=frames))
    expected = np.concatenate([images for images, _, _ in loaded])
    np.testing.assert_array_equal(np.stack(model.seen), expected)
    # All faces of a clip's first sequence have its score.
    start = 0
    for _, members in itertools.groupby(keys):
        count = len(list(members))
        assert len(set(found[start : start + min(frames, count)])) == 1
        assert len(set(found[start : start + count])) == -(-count // frames)
        start += count


def test_scores_of_single_faces_come_at_once(photograph_records):
    scores = sequences.Scores(Brightness(1))
    faces = np.arange(5.0)[:, None, None, None] * np.ones((1, 4, 4, 3))
    assert scores.add(faces, [1, 1, 2, 3, 3]) == [0, 1, 2, 3, 4]
    assert scores.finish() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frames": 0}, "frames must be at least 1. Received: 0"),
        ({"frames": 3, "cache": True}, "cache and xray are of single faces"),
        ({"frames": 3, "batch_size": 64}, "4 examples of split 'train'"),
    ],
)
def test_what_is_refused(photograph_records, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        load(photograph_records, "train", **{"batch_size": 2, **arguments})
    assert "\n" not in str(caught.value)
