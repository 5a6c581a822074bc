"""The augmentation `video`: what it does to a picture, and that its mask goes with it."""

import io
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
import tensorflow as tf
from epochs import read, same
from skimage import data, draw
from skimage.metrics import peak_signal_noise_ratio

import lrl_keras.media.degradations
from lrl_keras.data import load
from lrl_keras.data.augment.choices import augmentation, flip
from lrl_keras.data.augment.video import as_in_video, compressed
from lrl_keras.media.degradations import h264

SIDE, SIZE, TRIES = 120, 96, 100


@pytest.fixture(scope="module")
def portrait():
    return np.ascontiguousarray(data.astronaut()[30 : 30 + SIDE, 164 : 164 + SIDE])


@pytest.fixture(scope="module")
def disc():
    mask = np.zeros((SIDE, SIDE, 1), np.uint8)
    mask[draw.disk((70, 40), 25)] = 1
    return mask


def seed(number):
    return tf.constant([5, number], tf.int64)


def quality(image, found):
    return peak_signal_noise_ratio(image, found, data_range=255)


def plain(image, size=SIZE):
    """The picture resized and no more."""
    return tf.cast(tf.image.resize(image, (size, size), antialias=True), tf.uint8).numpy()


def test_the_seed_decides(portrait, disc):
    change = augmentation("video", SIZE)
    found = [change(portrait, disc, seed(number)) for number in range(12)]
    for number, (image, mask) in enumerate(found):
        assert (image.dtype, image.shape) == (tf.uint8, (SIZE, SIZE, 3))
        assert (mask.dtype, mask.shape) == (tf.uint8, (SIZE, SIZE, 1))
        again, again_mask = change(portrait, disc, seed(number))
        np.testing.assert_array_equal(image, again)
        np.testing.assert_array_equal(mask, again_mask)
        assert not any(np.array_equal(image, before) for before, _ in found[:number])


def test_the_mask_is_flipped_with_its_image_and_resized(portrait, disc):
    red = np.where(disc == 1, [230, 30, 30], [30, 30, 230]).astype(np.uint8)
    flipped = 0
    for number in range(30):
        mirrored = flip(red, disc, seed(number))
        image, mask = (tensor.numpy() for tensor in as_in_video(*mirrored, SIZE, seed(number)))
        assert set(np.unique(mask)) == {0, 1}
        redness = image[..., 0].astype(int) - image[..., 2]
        # Chroma of a quarter of the pixels, of a picture of down to half of its side.
        assert ((redness > 0) == (mask[..., 0] == 1)).mean() > 0.97
        _, moved = flip(portrait, disc, seed(number))
        turned = not np.array_equal(moved, disc)
        flipped += turned
        assert (mask[:, SIZE // 2 :].sum() > mask[:, : SIZE // 2].sum()) == turned
    assert 5 < flipped < 25


@pytest.mark.parametrize(("side", "size"), [(83, 64), (64, 83), (33, 33), (17, 40)])
def test_pictures_of_any_side(side, size):
    image = data.astronaut()[60 : 60 + side, 200 : 200 + side]
    for number in range(20):
        found = compressed(image, size, np.random.default_rng(number))
        assert (found.shape, found.dtype) == ((size, size, 3), np.uint8)
        assert np.corrcoef(plain(image, size).ravel(), found.ravel())[0, 1] > 0.8


def test_real_and_forged_are_treated_alike(portrait):
    # Another picture of the same detail: what chance did to one it did to the other.
    forged = portrait.copy()
    forged[50:90, 30:80] = forged[50:90, 30:80] // 2 + 60
    pairs = np.array([
        [
            quality(plain(image), compressed(image, SIZE, np.random.default_rng(number)))
            for image in (portrait, forged)
        ]
        for number in range(TRIES)
    ])  # fmt: skip
    assert np.abs(np.diff(pairs)).max() < 3
    assert np.ptp(pairs[:, 0]) > 10
    assert np.corrcoef(pairs.T)[0, 1] > 0.95


def test_shares_are_those_of_the_table(portrait, monkeypatch):
    counts = {"h264": 0, "jpeg": 0}
    frames, crfs = set(), []

    def video(pictures, crf):
        counts["h264"] += 1
        frames.add(len(pictures))
        crfs.append(float(crf))
        return pictures

    def jpeg(picture, level):
        counts["jpeg"] += 1
        assert 30 <= level <= 95
        return picture

    monkeypatch.setattr(lrl_keras.media.degradations, "h264", video)
    monkeypatch.setattr(lrl_keras.media.degradations, "jpeg", jpeg)
    whole = 0
    for number in range(400):
        found = compressed(portrait, SIDE, np.random.default_rng(number))
        whole += np.array_equal(found, portrait)
    deviations = 4 * np.sqrt(0.25 / 400)
    assert abs(counts["h264"] / 400 - 0.5) < deviations
    assert abs(counts["jpeg"] / 400 - 0.15) < deviations
    assert abs(whole / 400 - 0.5 * 0.9) < deviations  # neither shrunk nor noisy
    assert frames == {1, 2, 3}
    assert 18 <= min(crfs) < 19
    assert 35 < max(crfs) <= 36


def container(frames, crf):
    """The frames out of an MP4 in memory, encoded and decoded by FFmpeg's own demuxer."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1  # each thread would take a slice of the frame
        for frame in frames:
            output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as source:
        return [frame.to_ndarray(format="rgb24") for frame in source.decode(video=0)]


@pytest.mark.parametrize("count", [1, 3])
def test_videos_are_those_of_a_container(portrait, count):
    frames = [np.roll(portrait, (number, 2 * number), (0, 1)) for number in range(count)]
    qualities = []
    for crf in (18, 28, 40):
        found, expected = h264(frames, crf), container(frames, crf)
        assert len(found) == len(expected) == count
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)
        qualities.append(quality(frames[-1], found[-1]))
    assert qualities[0] > qualities[1] + 3 > qualities[2] + 6


@pytest.mark.parametrize("side", [24, 30, 40])
def test_the_same_frames_give_the_same_bytes_in_any_thread(portrait, side):
    # x264's own choice of machine code did not, on processors with AVX-512.
    frames = [np.roll(portrait[:side, :side], number, 0) for number in range(3)]
    with ThreadPoolExecutor(4) as pool:
        videos = list(pool.map(lambda _: np.stack(h264(frames, 30)).tobytes(), range(300)))
    assert len(set(videos)) == 1


def test_frames_keep_their_order_and_odd_sides(portrait):
    frames = [np.full((33, 47, 3), level, np.uint8) for level in (40, 120, 200)]
    found = h264(frames, 20)
    assert [frame.shape for frame in found] == [(33, 47, 3)] * 3
    for frame, expected in zip(found, frames, strict=True):
        assert np.abs(frame.astype(int) - expected).max() < 6


@pytest.mark.long
def test_batches_of_records(photograph_records):
    def dataset(**arguments):
        return load(photograph_records, "train", 8, augment="video", **arguments)

    uninterrupted = dataset(seed=1)
    first, second = read(uninterrupted), read(uninterrupted)
    assert not same(first, second)
    assert same(read(dataset(seed=1, epoch=1)), second)
    assert same(read(dataset(seed=1, cache=True)), first)
    (image, targets, _), *_ = read(dataset(image_size=37))
    assert image.shape == (8, 37, 37, 3)
    assert targets["mask"].shape == (8, 37, 37, 1)
    validation = load(photograph_records, "val", 8, augment="video")
    assert same(read(validation), read(validation))
