import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from skimage import data, transform
from tfrecords.blending.swapping import match_colours, match_light
from tfrecords.blending.weights import blend, deform, soften

from lrl_keras.errors import InputError
from tfrecords.blending import retouch, self_blend, swap

# Eyes, nose and corners of the mouth in the cut below, marked by eye.
LANDMARKS = np.array([(79, 71), (122, 73), (99, 97), (78, 109), (121, 110)], float)


def astronaut():
    return data.astronaut()[30:230, 124:324]


def mirrored():
    """The photograph as in a mirror, lighter and redder: what stands in for another person."""
    image = astronaut()[:, ::-1].astype(float) * [0.95, 0.8, 0.75] + [20, 10, 5]
    points = LANDMARKS[[1, 0, 2, 4, 3]]
    return image.astype(np.uint8), np.stack([199 - points[:, 0], points[:, 1]], axis=1)


def forge(mode, seed, image=None, landmarks=LANDMARKS):
    image = astronaut() if image is None else image
    rng = np.random.default_rng(seed)
    if mode == "swap":
        return swap(image, landmarks, *mirrored(), rng)
    return self_blend(image, landmarks, rng)


def sharpness(image):
    """Mean gradient, which does not change with the level."""
    gray = image.astype(float).mean(axis=2)
    return np.hypot(ndimage.sobel(gray, 0), ndimage.sobel(gray, 1)).mean()


@pytest.mark.parametrize("mode", ["self", "swap"])
def test_only_the_region_changes(mode):
    image = astronaut()
    before = image.copy()
    for seed in range(12):
        forgery, weight = forge(mode, seed, image)
        assert forgery.dtype == np.uint8
        assert weight.dtype == np.float32
        assert weight.shape == (200, 200)
        assert weight.min() == 0
        assert 0.95 < weight.max() <= 1
        np.testing.assert_array_equal(forgery[weight == 0], image[weight == 0])
        difference = np.abs(forgery.astype(float) - image).mean(axis=2)
        assert difference[weight > 0.9].mean() > 2
        assert 0.02 < (weight > 0.5).mean() < 0.3
        assert not weight[[0, -1]].any()
        assert not weight[:, [0, -1]].any()
        for x, y in LANDMARKS[[0, 1, 3, 4]].round().astype(int):
            assert weight[y, x] > 0.3
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("mode", ["self", "swap"])
def test_the_seed_decides(mode):
    found = {seed: forge(mode, seed) for seed in range(6)}
    for seed, (forgery, weight) in found.items():
        again, again_weight = forge(mode, seed)
        np.testing.assert_array_equal(forgery, again)
        np.testing.assert_array_equal(weight, again_weight)
        for other in range(seed):
            assert (found[other][0] != forgery).any()
            assert np.abs(found[other][1] - weight).mean() > 0.005


def test_a_retouched_target_stays_as_it_is_outside():
    image = astronaut()
    target = retouch(image, np.random.default_rng(3))
    forgery, weight = self_blend(image, LANDMARKS, np.random.default_rng(4), target)
    np.testing.assert_array_equal(forgery[weight == 0], target[weight == 0])
    inside = weight > 0.9
    assert (forgery[inside] != target[inside]).mean() > 0.5


def test_the_mask_may_be_weaker_than_its_weight_but_not_than_half():
    target = np.zeros((200, 200, 3), np.uint8)
    levels = set()
    for seed in range(30):
        white = np.full_like(target, 200)
        forgery, weight = self_blend(white, LANDMARKS, np.random.default_rng(seed), target)
        ratio = forgery[weight > 0.999].mean() / 200
        assert 0.49 < ratio < 1.01
        levels.add(round(4 * ratio))
        expected = np.rint(200 * ratio * weight)
        assert np.abs(forgery[..., 0] - expected).max() <= 2
    assert levels == {2, 3, 4}


def test_retouching_is_small_and_goes_both_ways():
    image = astronaut()
    ratios, shifts = [], []
    for seed in range(60):
        retouched = retouch(image, np.random.default_rng(seed))
        assert retouched.dtype == np.uint8
        np.testing.assert_array_equal(retouched, retouch(image, np.random.default_rng(seed)))
        ratios.append(sharpness(retouched) / sharpness(image))
        shifts.append(retouched.mean(axis=(0, 1)) - image.mean(axis=(0, 1)))
    assert np.mean(np.array(ratios) > 1.1) > 0.3
    assert np.mean(np.array(ratios) < 0.9) > 0.3
    assert np.abs(shifts).max() < 30
    assert (np.ptp(shifts, axis=0) > 20).all()
    casts = np.array(shifts) - np.mean(shifts, axis=1, keepdims=True)
    assert np.abs(casts).max() < 20


def test_a_swap_shows_the_donor_at_the_place_of_the_target():
    # The donor is the same photograph, turned and shrunk; the target has its face blurred away.
    image = astronaut()
    move = transform.SimilarityTransform(scale=0.85, rotation=0.25, translation=(40, -5))
    donor = transform.warp(image, move.inverse, order=3, preserve_range=True).astype(np.uint8)
    target = ndimage.gaussian_filter(image, (7, 7, 0))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        forgery, weight = swap(target, LANDMARKS, donor, move(LANDMARKS), rng)
        inside = weight > 0.95
        assert inside.sum() > 1000

        def likeness(picture, inside=inside):
            detail = picture.astype(float).mean(axis=2)
            detail -= ndimage.gaussian_filter(detail, 5)
            original = image.astype(float).mean(axis=2)
            original -= ndimage.gaussian_filter(original, 5)
            return np.corrcoef(detail[inside], original[inside])[0, 1]

        assert likeness(forgery) > 0.9
        assert likeness(forgery) > likeness(target) + 0.1


def test_a_swap_has_the_colours_of_the_target():
    image = astronaut()
    donor, donor_landmarks = mirrored()
    green = (donor * [0.5, 1, 0.5]).astype(np.uint8)
    forgery, weight = swap(image, LANDMARKS, green, donor_landmarks, np.random.default_rng(0))
    inside = weight > 0.95
    assert np.abs(forgery[inside].mean(axis=0) - image[inside].mean(axis=0)).max() < 6


def test_matched_colours_have_mean_and_spread_of_the_target():
    image = astronaut()
    weight = np.zeros((200, 200), np.float32)
    weight[60:120, 70:140] = 1
    source = image.astype(np.float32) * [0.8, 0.9, 0.7] + 20
    matched = match_colours(source.astype(np.float32), image, weight)

    def statistics(picture):
        picture = Image.fromarray(np.rint(picture).astype(np.uint8)).convert("YCbCr")
        pixels = np.asarray(picture, float)[weight > 0]
        return pixels.mean(axis=0), pixels.std(axis=0)

    for found, expected in zip(statistics(matched), statistics(image), strict=True):
        np.testing.assert_allclose(found, expected, atol=1.5)


def test_matched_light_takes_a_gradient_away():
    image = astronaut()
    weight = soften(np.pad(np.ones((120, 120), np.float32), 40), 8)
    shade = np.linspace(-60, 60, 200, dtype=np.float32)[None, :, None]
    source = image + shade
    matched = match_light(source, image, weight, reach=30)
    inside = weight > 0.9
    before = np.abs(source - image)[inside].mean()
    after = np.abs(matched - image)[inside].mean()
    assert before > 12
    assert after < before / 2


def test_softened_regions_lie_within_the_region():
    region = np.zeros((120, 150), np.float32)
    region[30:90, 20:] = 1
    for softness in (0.5, 4, 12, 1e9):
        weight = soften(region, softness)
        assert weight.shape == region.shape
        assert not weight[region == 0].any()
        assert weight.max() <= 1
    assert soften(region, 4)[:, -1].max() < 0.1  # the region goes on outside of the picture
    assert soften(region, 4)[60, 80] == pytest.approx(1, abs=1e-3)
    slopes = [np.diff(soften(region, softness)[:, 80]).max() for softness in (2, 6)]
    assert slopes[0] > 2 * slopes[1]


def test_deformed_regions_keep_about_their_place_and_size():
    region = np.zeros((160, 200), np.float32)
    region[40:120, 60:140] = 1
    for seed in range(10):
        bent = deform(region, 40, np.random.default_rng(seed))
        assert bent.min() >= 0
        assert bent.max() <= 1
        assert 0.8 < bent.sum() / region.sum() < 1.25
        centre = ndimage.center_of_mass(bent)
        assert np.hypot(centre[0] - 79.5, centre[1] - 99.5) < 8
        assert np.abs(bent - region).sum() > 0.01 * region.sum()


def test_blending_is_the_weighted_mean():
    target = astronaut()
    source = np.full(target.shape, 300, np.float32)
    weight = np.zeros((200, 200), np.float32)
    weight[50:100], weight[100:] = 0.25, 1
    blended = blend(target, source, weight)
    np.testing.assert_array_equal(blended[:50], target[:50])
    quarter = np.minimum(0.75 * target[50:100] + 75, 255)
    assert np.abs(blended[50:100] - quarter).max() <= 0.5
    assert (blended[100:] == 255).all()


@pytest.mark.parametrize("mode", ["self", "swap"])
@pytest.mark.parametrize(
    "change",
    [
        lambda points: points - [95, 0],
        lambda points: points - [-60, -90],
        lambda points: points - [0, 100],
        lambda points: (points - 100) * 4 + 100,
        lambda points: (points - 100) * 0.05 + 100,
        lambda points: points @ np.array([[0.3, 0], [0, 1]]) + [60, 0],
        lambda points: 199 - points,
        lambda points: points * 1e6,
        lambda points: points + 5000,
    ],
)
def test_faces_in_odd_places_do_not_harm(mode, change):
    image = astronaut()
    for seed in range(3):
        forgery, weight = forge(mode, seed, image, change(LANDMARKS))
        assert np.isfinite(weight).all()
        np.testing.assert_array_equal(forgery[weight == 0], image[weight == 0])


@pytest.mark.parametrize("shape", [(16, 16), (40, 25), (1, 1)])
def test_tiny_pictures(shape):
    image = astronaut()[: shape[0], : shape[1]]
    landmarks = LANDMARKS * np.array(shape[::-1]) / 200
    for mode in ("self", "swap"):
        try:
            forgery, _ = forge(mode, 0, image, landmarks)
        except InputError:
            assert shape == (1, 1)
        else:
            assert forgery.shape == image.shape


def test_landmarks_that_span_no_face_are_refused():
    points = [(100, 100)] * 5
    with pytest.raises(InputError, match="span no face"):
        self_blend(astronaut(), points, np.random.default_rng(0))
    with pytest.raises(InputError, match="span no face"):
        swap(astronaut(), points, *mirrored(), np.random.default_rng(0))
    with pytest.raises(InputError, match="span no face"):
        swap(astronaut(), LANDMARKS, mirrored()[0], points, np.random.default_rng(0))
