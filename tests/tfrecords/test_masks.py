import numpy as np
from PIL import Image
from skimage import data

from tfrecords.examples.masks import difference_mask


def test_is_the_thresholded_gray_difference():
    real = data.astronaut()
    fake = np.clip(
        real.astype(int) + np.random.default_rng(0).integers(-90, 91, real.shape), 0, 255
    )
    fake = fake.astype(np.uint8)
    mask = difference_mask(fake, real)
    # Pillow's BT.601 gray is rounded; 0.15 * 255 is 38.25, so only its 38 is open.
    gray = np.asarray(
        Image.fromarray(np.abs(fake.astype(int) - real).astype(np.uint8)).convert("L")
    )
    assert mask.dtype == np.uint8
    assert mask.shape == real.shape[:2]
    assert set(np.unique(mask)) == {0, 1}
    np.testing.assert_array_equal(mask[gray >= 39], 1)
    np.testing.assert_array_equal(mask[gray <= 37], 0)
    np.testing.assert_array_equal(mask, difference_mask(real, fake))


def test_no_difference_no_mask():
    image = data.coffee()
    assert not difference_mask(image, image).any()


def test_exactly_the_threshold_is_real():
    # The triples of whole numbers whose gray level is 38.25 exactly.
    reds, greens, blues = np.meshgrid(*[np.arange(256)] * 3, indexing="ij", sparse=True)
    exact = np.argwhere(299 * reds + 587 * greens + 114 * blues == 38250).astype(np.uint8)
    assert len(exact) > 0
    black = np.zeros((len(exact), 1, 3), np.uint8)
    assert not difference_mask(exact[:, None], black).any()
    brighter = exact[(exact < 255).all(axis=1)][:, None] + np.uint8(1)
    assert difference_mask(brighter, black[: len(brighter)]).all()


def test_the_sign_does_not_matter_and_channels_do_not_cancel():
    real = np.full((1, 2, 3), 100, np.uint8)
    fake = np.array([[[200, 10, 100], [100, 100, 255]]], np.uint8)
    # 0.299 * 100 + 0.587 * 90 = 82.7; 0.114 * 155 = 17.7
    np.testing.assert_array_equal(difference_mask(fake, real), [[1, 0]])
