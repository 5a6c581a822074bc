"""The X-ray's target: from recorded weights, from masks, and moved with its image."""

import dataclasses

import fresh_records
import numpy as np
import photographs
import pytest
import tensorflow as tf
from epochs import read, same
from scipy import ndimage
from skimage import data, draw

from lrl_keras.data import load, single_examples, xray
from lrl_keras.data.augment.choices import augmentation
from lrl_keras.data.records import Records
from lrl_keras.data.schema import decode, encode

SIDE = 96
GAUSSIANS = {3: 0.8, 5: 1.1, 7: 1.4, 9: 1.7}  # pixels: standard deviation


def weights_of(mask):
    """The weight of a blending in 0..255, above 127 where the mask is 1."""
    inside, outside = (ndimage.distance_transform_edt(region) for region in (mask, 1 - mask))
    return np.clip(127.5 + 25 * (inside - outside), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def blended(tmp_path_factory):
    """Records whose forgeries of one method hold weights, of another masks, of a third nothing."""
    shards = []
    for split, examples in photographs.shards_of_photographs():
        shards.append((
            split,
            [
                dataclasses.replace(example, blend=weights_of(example.mask))
                if example.method == "Deepfakes"
                else example
                for example in examples
            ],
        ))  # fmt: skip
    return photographs.write_records(tmp_path_factory.mktemp("blended") / "records", shards)


def epoch(records, split="val", **arguments):
    """Images, targets and weights, joined over the batches, in the order of the records."""
    arguments = {"balance": False, "shuffle": False, "augment": "none", **arguments}
    batches = read(load(records, split, 7, drop_remainder=False, xray=True, **arguments))
    return [
        tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *part)
        for part in zip(*batches, strict=True)
    ]


def stored(records, split="val"):
    records = Records.open(records)
    for clip, start in records.placed([split]):
        positions = range(start, start + len(clip.kept))
        yield from single_examples.read(records.path(clip.shard), positions, records.image_size)


def test_recorded_weights_come_as_they_are(blended):
    images, targets, weights = epoch(blended)
    examples = list(stored(blended))
    assert len(examples) == len(images)
    seen = set()
    for example, target, weight in zip(examples, targets["xray"], weights["xray"], strict=True):
        seen.add((example.method, float(weight)))
        if example.blend is not None:
            share = example.blend[..., None] / 255
            np.testing.assert_allclose(target, 1 - (1 - 2 * share) ** 2, atol=1e-6)
            assert target.max() > 0.9
        elif example.mask is None:
            assert not target.any()
    assert seen == {("real", 1), ("Deepfakes", 1), ("FaceSwap", 1), ("Face2Face", 0)}
    assert targets["xray"].dtype == weights["xray"].dtype == np.float32


def test_all_else_is_as_without(blended):
    for arguments in ({"augment": "strong"}, {"augment": "video"}, {"image_size": 32}):
        plain = read(load(blended, "train", 8, **arguments))
        more = read(load(blended, "train", 8, xray=True, **arguments))
        for _, targets, weights in more:
            assert targets.pop("xray").shape[0] == weights.pop("xray").shape[0] == 8
        assert same(plain, more)


def test_a_mask_alone_is_blurred_by_one_of_four_gaussians(blended):
    def chosen(**arguments):
        _, targets, _ = epoch(blended, "train", **arguments)
        sizes = []
        for example, target in zip(stored(blended, "train"), targets["xray"], strict=True):
            if example.method != "FaceSwap":
                continue
            errors = {}
            for size, deviation in GAUSSIANS.items():
                share = ndimage.gaussian_filter(
                    example.mask.astype(float), deviation, radius=size // 2
                )
                errors[size] = np.abs(target[..., 0] - 4 * share * (1 - share)).max()
            sizes.append(min(errors, key=errors.get))
            # Weights are kept in 255 steps.
            assert errors[sizes[-1]] < 4 / 510 + 1e-4
        return sizes

    first = chosen()
    assert set(first) == set(GAUSSIANS)
    assert chosen() == first
    assert chosen(epoch=1) != first
    assert chosen(seed=1) != first


def test_the_cache_gives_the_same(blended):
    for arguments in ({}, {"augment": "flip", "image_size": 32}):
        read_anew, cached = (
            epoch(blended, "train", cache=cache, **arguments) for cache in (False, True)
        )
        assert same(cached, read_anew)


def test_examples_without_weights_are_stored_as_before():
    (example,) = photographs.clip(data.astronaut(), "a", "Deepfakes", 1)
    features = tf.train.Example.FromString(encode(example)).features.feature
    assert sorted(features) == sorted(decode(encode(example)))
    assert decode(encode(example), blend=True)["blend"] == b""
    assert "blend" not in decode(encode(dataclasses.replace(example, blend=example.mask)))


@pytest.mark.parametrize("augment", ["none", "flip", "strong", "video"])
@pytest.mark.parametrize("size", [SIDE, 64])
def test_weights_move_with_their_mask(augment, size):
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[draw.disk((40, 30), 20)] = 1
    masks = np.stack([mask, weights_of(mask)], axis=-1)
    picture = np.ascontiguousarray(data.astronaut()[40 : 40 + SIDE, 180 : 180 + SIDE])
    change = tf.function(augmentation(augment, size))
    places = set()
    for number in range(12):
        image, moved = change(picture, masks, tf.constant([3, number], tf.int64))
        assert image.shape == (size, size, 3)
        region, weights = np.moveaxis(moved.numpy(), -1, 0)
        assert (weights.shape, weights.dtype) == ((size, size), np.uint8)
        assert np.mean((weights > 127) != region) < 0.01
        assert 0.02 < np.mean((weights > 0) & (weights < 255)) < 0.25
        places.add(ndimage.center_of_mass(region))
        _, alone = change(picture, masks[..., :1], tf.constant([3, number], tf.int64))
        np.testing.assert_array_equal(alone.numpy()[..., 0], region)
    assert (len(places) > 1) == (augment != "none")


@pytest.mark.parametrize("augment", ["none", "flip"])
def test_forgeries_of_the_training_have_theirs(tmp_path, augment):
    records = fresh_records.write(tmp_path, fresh_records.people(3))
    arguments = {"augment": augment, "shuffle": False}
    images, targets, weights = epoch(records, "train", balance=None, **arguments)
    plain = read(load(records, "train", len(images), **arguments))
    np.testing.assert_array_equal(plain[0][0], images)
    assert (weights["xray"] == 1).all()
    assert not targets["xray"][::2].any()
    highest = []
    for target, mask in zip(targets["xray"][1::2], targets["mask"][1::2], strict=True):
        target, mask = target[..., 0], mask[..., 0]
        # Highest along the mask's border, and nothing far from it.
        border = mask != ndimage.grey_erosion(mask, 3)
        assert target[border].mean() > 2 * target[mask == 0].mean()
        assert not target[ndimage.distance_transform_edt(mask == 0) > 25].any()
        highest.append(target.max())
    # The narrowest seams lie between two pixels of faces as small as these.
    assert np.median(highest) > 0.9


def test_a_real_face_is_no_mask_to_blur():
    nothing = tf.zeros((8, 8, 2), tf.uint8)
    np.testing.assert_array_equal(xray.completed(nothing, tf.constant([0, 0], tf.int64)), nothing)
