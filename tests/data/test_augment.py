"""The random changes: what they do to a picture, and that its mask goes with it."""

import json
import os
import random
import subprocess
import sys

import epochs
import numpy as np
import pytest
import tensorflow as tf
from skimage import data, draw, measure, morphology

from lrl_keras.data import load
from lrl_keras.data.augment.choices import augmentation, flip

SIDE = 96
TRIES = 300


def changed(picture, mask, name="strong", tries=TRIES):
    """Image and mask after each of `tries` different seeds."""
    picture, mask = tf.constant(picture), tf.constant(mask[..., None])
    change = augmentation(name, SIDE)
    seeds = tf.data.Dataset.range(tries).map(
        lambda index: tf.stack([tf.constant(3, tf.int64), index])
    )
    for image, moved in seeds.map(lambda seed: change(picture, mask, seed)).as_numpy_iterator():
        assert image.dtype == moved.dtype == np.uint8
        assert image.shape == (SIDE, SIDE, 3)
        assert moved.shape == (SIDE, SIDE, 1)
        yield image, moved[..., 0]


def either_way(picture):
    return picture, picture[:, ::-1]


@pytest.fixture(scope="module")
def discs():
    """Mask of a large disc on the left and a small one at the lower right."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[draw.disk((40, 30), 14)] = 1
    mask[draw.disk((64, 62), 8)] = 1
    return mask


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(data.astronaut()[40 : 40 + SIDE, 180 : 180 + SIDE])


def paint(mask):
    """A picture from which its mask can be told: red on blue."""
    return np.where(mask[..., None] == 1, [230, 30, 30], [30, 30, 230]).astype(np.uint8)


@pytest.mark.parametrize("name", ["flip", "strong"])
def test_the_mask_follows_its_image(discs, name):
    turned = 0
    for image, mask in changed(paint(discs), discs, name):
        assert set(np.unique(mask)) == {0, 1}
        redness = image[..., 0].astype(int) - image[..., 2]
        # Blur and JPEG mix the colours at the edge; an erased patch has none.
        edge = morphology.dilation(mask, morphology.disk(4)) != morphology.erosion(
            mask, morphology.disk(4)
        )
        told = ~edge & (np.abs(redness) > 60)
        assert told.mean() > 0.5
        np.testing.assert_array_equal(redness[told] > 0, mask[told] == 1)
        turned += not np.array_equal(mask, discs)
    expected = {"flip": 0.5, "strong": 0.75}[name]
    assert abs(turned / TRIES - expected) < 0.1  # over 3 standard deviations


def test_the_mask_is_where_at_least_half_of_the_pixel_is(discs):
    moved = 0
    for image, mask in changed(paint(discs), discs):
        if (image[..., 1] == 30).all():  # Nothing but rotation, zoom and blur happened.
            redness = (image[..., 0] - 30.0) / 200
            clear = np.abs(redness - 0.5) > 0.15
            np.testing.assert_array_equal(redness[clear] > 0.5, mask[clear] == 1)
            moved += not any(np.array_equal(mask, way) for way in either_way(discs))
    assert moved > 5


def test_rotation_and_zoom_stay_within_bounds_around_the_centre(discs):
    def centroids(mask):
        regions = sorted(measure.regionprops(measure.label(mask)), key=lambda region: -region.area)
        assert len(regions) == 2
        return [complex(*(np.array(region.centroid)[::-1] - (SIDE - 1) / 2)) for region in regions]

    large, small = centroids(discs)
    found = []
    for _, mask in changed(discs[..., None].repeat(3, 2), discs):
        new_large, new_small = centroids(mask)
        if new_small.real < new_large.real:
            new_large, new_small = (complex(-c.real, c.imag) for c in (new_large, new_small))
        motion = (new_small - new_large) / (small - large)
        assert abs(motion * large - new_large) < 0.5
        assert abs(motion * small - new_small) < 0.5
        found.append((np.degrees(np.angle(motion)), abs(motion)))
    angles, scales = np.array(found).T
    assert -10.5 < angles.min() < -8
    assert 8 < angles.max() < 10.5
    assert 1 / 1.1 - 0.02 < scales.min() < 0.93
    assert 1.08 < scales.max() < 1 / 0.9 + 0.02
    assert abs(np.mean(np.abs(angles) > 0.2) - 0.5) < 0.1


def test_what_comes_in_from_outside_is_mirrored(discs):
    # A forged frame around the picture: no corner may become real or of another colour.
    frame = np.ones_like(discs)
    frame[16:-16, 16:-16] = 0
    for image, mask in changed(paint(frame), frame):
        assert mask[[0, 0, -1, -1], [0, -1, 0, -1]].all()
        corner = image[:3, :3].astype(int)
        assert (corner[..., 0] - corner[..., 2] > -20).all()


def test_most_changes_leave_the_mask_alone(portrait, discs):
    masks = [mask.tobytes() for mask in either_way(discs)]
    plain = [picture.tobytes() for picture in either_way(portrait)]
    still, untouched, erased = 0, 0, 0
    for image, mask in changed(portrait, discs):
        still += mask.tobytes() in masks
        untouched += image.tobytes() in plain
        grey = measure.label((image == 128).all(axis=-1), connectivity=1)
        largest = max((region.area for region in measure.regionprops(grey)), default=0)
        erased += largest > 100
    assert abs(still / TRIES - 0.5) < 0.1
    assert abs(untouched / TRIES - 0.5**3 * 0.7 * 0.8**3) < 0.035
    assert abs(erased / TRIES - 0.2) < 0.08


def test_changes_are_moderate(portrait, discs):
    grey = portrait.mean(axis=(0, 1))
    for image, _ in changed(portrait, discs):
        assert np.abs(image.mean(axis=(0, 1)) - grey).max() < 60
        assert np.corrcoef(np.sort(image.ravel()), np.sort(portrait.ravel()))[0, 1] > 0.9


def test_no_change_darkens_the_border():
    white = np.full((SIDE, SIDE, 3), 200, np.uint8)
    for image, _ in changed(white, np.zeros((SIDE, SIDE), np.uint8)):
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        assert np.abs(np.median(border, axis=0) - np.median(image, axis=(0, 1))).max() <= 2


def test_strong_flips_what_flip_flips(portrait, discs):
    both = zip(changed(portrait, discs, "flip"), changed(portrait, discs), strict=True)
    for (_, flipped), (_, mask) in both:
        if mask.tobytes() in [mask.tobytes() for mask in either_way(discs)]:
            np.testing.assert_array_equal(mask, flipped)


def test_none_changes_nothing(portrait, discs):
    for image, mask in changed(portrait, discs, "none", 4):
        np.testing.assert_array_equal(image, portrait)
        np.testing.assert_array_equal(mask, discs)


def test_batches_have_the_form_of_plain_ones(photograph_records):
    plain = load(photograph_records, "train", 8)
    strong = load(photograph_records, "train", 8, augment="strong")
    assert strong.element_spec == plain.element_spec
    images = np.concatenate([image for image, _, _ in epochs.read(strong)])
    np.testing.assert_array_equal(images, np.round(images))
    assert images.min() >= 0
    assert 200 < images.max() <= 255


def test_only_the_pictures_differ_from_plain_ones(photograph_records):
    plain, strong = (
        epochs.read(load(photograph_records, "train", 8, augment=name))
        for name in ("none", "strong")
    )
    for (_, targets, weights), (_, others, other_weights) in zip(plain, strong, strict=True):
        np.testing.assert_array_equal(targets["label"], others["label"])
        np.testing.assert_array_equal(others["similarity"], others["mask"])
        assert set(np.unique(others["mask"])) <= {0, 1}
        for name, weight in weights.items():
            np.testing.assert_array_equal(weight, other_weights[name])
    assert not epochs.same(plain, strong)


def test_an_epoch_follows_from_its_number_and_the_seed_alone(photograph_records):
    def dataset(**arguments):
        return load(photograph_records, "train", 8, augment="strong", **arguments)

    uninterrupted = dataset(seed=1)
    first, second, third = (epochs.read(uninterrupted) for _ in range(3))
    assert not epochs.same(first, second)
    tf.random.set_seed(99)
    resumed = dataset(seed=1, epoch=1)
    assert epochs.same(epochs.read(resumed), second)
    assert epochs.same(epochs.read(resumed), third)
    assert not epochs.same(epochs.read(dataset(seed=2)), first)


def test_the_size_of_a_batch_changes_no_example(photograph_records):
    by_size = [
        [
            np.concatenate([example.reshape(len(example), -1) for example in batches])
            for batches in zip(
                *(
                    (image, targets["mask"], targets["label"])
                    for image, targets, _ in epochs.read(
                        load(photograph_records, "train", size, augment="strong")
                    )
                ),
                strict=True,
            )
        ]
        for size in (6, 16)
    ]
    for first, second in zip(*by_size, strict=True):
        np.testing.assert_array_equal(first, second)


def test_pythons_own_random_numbers_are_left_alone(photograph_records):
    before = random.getstate()
    load(photograph_records, "train", 8, augment="strong")
    assert random.getstate() == before


@pytest.mark.long
@pytest.mark.parametrize("augment", ["flip", "strong"])
def test_threads_processes_policies_and_backends_change_nothing(photograph_records, augment):
    # 299 pixels, so that TensorFlow divides its operations among threads.
    arguments = {"augment": augment, "epoch": 3, "image_size": 299}
    expected = epochs.digest(epochs.read(load(photograph_records, "train", 8, **arguments)))
    for threads, backend in ((1, "tensorflow"), (7, "jax")):
        command = [sys.executable, epochs.__file__, photograph_records, threads]
        result = subprocess.run(
            [*map(str, command), json.dumps(arguments)],
            env={**os.environ, "KERAS_BACKEND": backend},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.split() == [expected], (threads, backend)


def test_a_flip_is_a_mirror_image(portrait, discs):
    ways = set()
    for number in range(20):
        image, mask = flip(tf.constant(portrait), tf.constant(discs[..., None]), (0, number))
        way = 1 - 2 * np.array_equal(image, portrait[:, ::-1])
        ways.add(way)
        np.testing.assert_array_equal(image, portrait[:, ::way])
        np.testing.assert_array_equal(mask[..., 0], discs[:, ::way])
    assert ways == {1, -1}
