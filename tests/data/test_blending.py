import numpy as np
import pytest
from PIL import Image
from scipy import fft, ndimage
from skimage import data, measure, transform

from lrl_keras.data import blending
from lrl_keras.data.blending import retouching, self_blending, swapping, views
from lrl_keras.data.blending.meshes import grid, warp
from lrl_keras.data.blending.region import face_axes
from lrl_keras.data.blending.retouching import recolour, retouch
from lrl_keras.data.blending.self_blending import self_blend
from lrl_keras.data.blending.swapping import (
    match_colours,
    match_light,
    match_sharpness,
    swap,
)
from lrl_keras.data.blending.weights import blend, soften
from lrl_keras.errors import InputError

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
    shares = []
    for seed in range(40):
        forgery, weight = forge(mode, seed, image)
        assert forgery.dtype == np.uint8
        assert weight.dtype == np.float32
        assert weight.shape == (200, 200)
        assert weight.min() == 0
        assert weight.max() <= 1
        np.testing.assert_array_equal(forgery[weight == 0], image[weight == 0])
        assert not weight[[0, -1]].any()
        assert not weight[:, [0, -1]].any()
        shares.append((weight > 0.5).mean())
    assert max(shares) < 0.3
    assert max(shares) > 1.5 * min(shares) > 0
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


@pytest.mark.parametrize(("mode", "widest"), [("self", 0.5), ("swap", 0.6)])
def test_seams_are_sharp_or_soft(mode, widest):
    widths = []
    for seed in range(60):
        _, weight = forge(mode, seed)
        border = ((weight > 0.05) & (weight < 0.95)).sum()
        widths.append(border / max(measure.perimeter(weight > 0.5), 1))
    assert min(widths) < 1
    assert 0.2 < max(widths) / face_axes(LANDMARKS).size < widest
    assert np.mean(np.array(widths) < 4) > 0.3


def test_a_retouched_target_stays_as_it_is_outside():
    image = astronaut()
    target = retouch(image, np.random.default_rng(3))
    forgery, weight = self_blend(image, LANDMARKS, np.random.default_rng(4), target)
    np.testing.assert_array_equal(forgery[weight == 0], target[weight == 0])
    inside = weight > 0.9
    assert (forgery[inside] != target[inside]).mean() > 0.5


def test_the_copy_is_laid_on_at_three_quarters_or_in_full():
    target = np.zeros((200, 200, 3), np.uint8)
    white, levels = np.full_like(target, 200), set()
    for seed in range(40):
        forgery, weight = self_blend(white, LANDMARKS, np.random.default_rng(seed), target)
        if not (weight > 0.999).any():
            continue
        ratio = forgery[weight > 0.999].mean() / 200
        assert 0.74 < ratio < 1.01
        levels.add(round(4 * ratio))
        expected = np.rint(200 * ratio * weight)
        assert np.abs(forgery[..., 0] - expected).max() <= 2
    assert levels == {3, 4}


def test_retouching_is_small_and_goes_both_ways():
    image = astronaut()
    ratios, shifts = [], []
    for seed in range(100):
        retouched = retouch(image, np.random.default_rng(seed))
        assert retouched.dtype == np.uint8
        np.testing.assert_array_equal(retouched, retouch(image, np.random.default_rng(seed)))
        ratios.append(sharpness(retouched) / sharpness(image))
        shifts.append(retouched.mean(axis=(0, 1)) - image.mean(axis=(0, 1)))
    assert np.mean(np.array(ratios) > 1.1) > 0.05
    assert np.mean(np.array(ratios) < 0.9) > 0.25
    assert np.abs(shifts).max() < 30
    assert (np.ptp(shifts, axis=0) > 20).all()
    casts = np.array(shifts) - np.mean(shifts, axis=1, keepdims=True)
    assert np.abs(casts).max() < 20


def retouched_by(texture, monkeypatch, image, count=12):
    """A picture of which one texture is changed and not the colours, by `count` seeds."""
    monkeypatch.setattr(retouching, "_TEXTURES", (texture,))
    monkeypatch.setattr(retouching, "_SHARES", (1,))
    seeds = (seed for seed in range(1000) if np.random.default_rng(seed).random() > 0.85)
    for _ in range(count):
        yield retouch(image, np.random.default_rng(next(seeds))).astype(float)


def spectrum(image):
    """Energy of the finest third of the frequencies."""
    gray = image.astype(float).mean(axis=2)
    energy = np.abs(np.fft.fft2(gray - gray.mean())) ** 2
    frequencies = np.hypot(*np.meshgrid(*map(np.fft.fftfreq, gray.shape), indexing="ij"))
    return energy[frequencies > 1 / 3].sum()


def test_colours_alone_change_by_one_affine_map(monkeypatch):
    monkeypatch.setattr(retouching, "_SHADED", 0)
    image = astronaut()
    seeds = [seed for seed in range(60) if np.random.default_rng(seed).random() < 0.5]
    assert len(seeds) > 8
    for seed in seeds:
        changed = retouch(image, np.random.default_rng(seed)).reshape(-1, 3).astype(float)
        inside = ((changed > 0) & (changed < 255)).all(axis=1)
        pixels = np.column_stack([image.reshape(-1, 3), np.ones(image[..., 0].size)])[inside]
        matrix, *_ = np.linalg.lstsq(pixels, changed[inside], rcond=None)
        # Half a level of rounding, and less than that of the fit, as many pixels are alike.
        assert np.abs(pixels @ matrix - changed[inside]).max() < 1
        assert np.abs(matrix[:3] - np.eye(3)).max() < 0.5


def test_shade_multiplies_smoothly_and_keeps_the_mean(monkeypatch):
    monkeypatch.setattr(retouching, "_SHADED", 1)
    plain = np.full((120, 120, 3), 128, np.uint8)
    spreads = []
    for seed in range(40):
        levels = recolour(plain, np.random.default_rng(seed)).astype(float)
        shade = levels / levels.mean(axis=(0, 1))
        # The same for all three channels, but for rounding, and with no steps.
        assert np.ptp(shade, axis=-1).max() < 0.02
        assert max(np.abs(np.diff(shade, axis=axis)).max() for axis in (0, 1)) < 0.1
        assert abs(np.log(levels.mean() / 128)) < 0.4
        spreads.append(shade.std())
    assert 0.01 < min(spreads) < 0.06 < max(spreads) < 0.3


@pytest.mark.parametrize("name", ["_lower_resolution", "_blur"])
def test_softer_pictures_lose_what_is_fine(name, monkeypatch):
    image = astronaut()
    for softer in retouched_by(getattr(retouching, name), monkeypatch, image):
        assert spectrum(softer) < 0.9 * spectrum(image)
        coarse = [ndimage.gaussian_filter(picture, (6, 6, 0)) for picture in (softer, image * 1.0)]
        assert np.abs(coarse[0] - coarse[1]).max() < 8


def test_sharper_pictures_have_steeper_edges(monkeypatch):
    image = astronaut()
    for sharper in retouched_by(retouching._sharpen, monkeypatch, image):
        assert 1.05 * sharpness(image) < sharpness(sharper) < 3 * sharpness(image)


def test_grain_is_normal_noise_of_one_or_two_pixels(monkeypatch):
    plain = np.full((81, 120, 3), 128, np.uint8)
    cells = set()
    for grainy in retouched_by(retouching._add_grain, monkeypatch, plain):
        noise = grainy - 128
        assert abs(noise.mean()) < 0.3
        assert 0.8 < noise.std() < 6.5
        assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.1
        neighbours = np.corrcoef(noise[::2, :-1:2].ravel(), noise[::2, 1::2].ravel())[0, 1]
        cells.add(round(float(neighbours), 1))
    assert cells == {0, 1}


def test_compressed_pictures_have_blocks_of_few_frequencies(monkeypatch):
    image = astronaut()

    def small(picture):
        luma = np.asarray(Image.fromarray(picture.astype(np.uint8)).convert("L"), float)
        blocks = luma.reshape(25, 8, 25, 8).transpose(0, 2, 1, 3)
        return (np.abs(fft.dctn(blocks, axes=(2, 3), norm="ortho")) < 1.5).mean()

    for compressed in retouched_by(retouching._compress, monkeypatch, image):
        assert small(compressed) > small(image) + 0.1
        assert np.abs(compressed - image).mean() < 8


def likenesses_of_a_swap(misfit, monkeypatch):
    """Of forgery and target with the donor, where it was laid on the target, for some seeds."""
    monkeypatch.setattr(swapping, "_MISFIT", misfit)
    monkeypatch.setattr(swapping, "_AS_SHARP", 0)
    # The donor is the same photograph, turned and shrunk; the target has its face blurred away.
    image = astronaut()
    move = transform.SimilarityTransform(scale=0.85, rotation=0.25, translation=(40, -5))
    donor = transform.warp(image, move.inverse, order=3, preserve_range=True).astype(np.uint8)
    target = ndimage.gaussian_filter(image, (7, 7, 0))
    for seed in range(5):
        rng = np.random.default_rng(seed)
        forgery, weight = swap(target, LANDMARKS, donor, move(LANDMARKS), rng)
        inside = weight > 0.95
        assert inside.sum() > 300

        def likeness(picture, inside=inside):
            detail = picture.astype(float).mean(axis=2)
            detail -= ndimage.gaussian_filter(detail, 5)
            original = image.astype(float).mean(axis=2)
            original -= ndimage.gaussian_filter(original, 5)
            return np.corrcoef(detail[inside], original[inside])[0, 1]

        yield likeness(forgery), likeness(target)


def test_a_swap_shows_the_donor_at_the_place_of_the_target(monkeypatch):
    for forgery, target in likenesses_of_a_swap(0, monkeypatch):
        assert forgery > 0.9
        assert forgery > target + 0.1


def test_a_badly_fitted_swap_shows_the_donor_beside_the_place_of_the_target(monkeypatch):
    found = np.array(list(likenesses_of_a_swap(1, monkeypatch)))
    assert found[:, 0].max() < 0.9
    assert np.median(found[:, 0]) < 0.6


@pytest.mark.parametrize("deviation", [0.7, 1.5])
def test_a_swap_can_be_as_sharp_as_its_target(deviation):
    sharp = astronaut()
    soft = ndimage.gaussian_filter(sharp, (deviation, deviation, 0))
    weight = np.ones(sharp.shape[:2], np.float32)
    for source, target in ((sharp, soft), (soft, sharp)):
        matched = match_sharpness(source.astype(np.float32), target, weight)
        before, after = (sharpness(image) / sharpness(target) for image in (source, matched))
        assert abs(np.log(after)) < 0.35 * abs(np.log(before))
        coarse = [ndimage.gaussian_filter(image * 1.0, (6, 6, 0)) for image in (source, matched)]
        assert np.abs(coarse[0] - coarse[1]).mean() < 1.5


def test_reenactment_moves_features_and_nothing_far_from_them():
    axes = face_axes(LANDMARKS)
    places = grid((0, 0, 200, 200), (24, 24))
    mouth = axes.pixels(np.array([[0, 1]]))[0]
    farthest = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        moves = self_blending._with_features_moved(places, axes, rng) - places
        distances = np.hypot(*np.moveaxis(moves, -1, 0))
        assert distances[np.hypot(*np.moveaxis(places - mouth, -1, 0)) > 3 * axes.size].max() < 0.1
        farthest.append(distances.max() / axes.size)
    assert np.quantile(farthest, 0.1) > 0.02
    assert 0.08 < np.median(farthest) < max(farthest) < 0.5


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


def test_softened_regions_are_those_of_a_gaussian_at_full_resolution():
    region = np.zeros((160, 200), np.float32)
    region[40:120, 50:150] = 1
    for softness in (0.3, 1, 2.9, 6, 15):
        blurred = ndimage.gaussian_filter(region.astype(float), softness, mode="constant")
        share = np.clip(2 * blurred - 1, 0, 1) * region
        expected = share**2 * (3 - 2 * share)
        # Above three pixels it is made at a lower resolution.
        assert np.abs(soften(region, softness) - expected).max() < (0.01 if softness < 3 else 0.08)


def test_a_small_region_is_softened_within_its_size():
    region = np.zeros((100, 100), np.float32)
    region[45:55, 45:55] = 1
    assert soften(region, 50).max() > 0.5
    assert not soften(np.zeros_like(region), 50).any()


def smooth_picture():
    return ndimage.gaussian_filter(astronaut(), (3, 3, 0))


@pytest.mark.parametrize("box", [None, (30, 50, 158, 170)])
def test_warped_pictures_are_those_of_cubic_splines(box):
    image = smooth_picture()
    left, top, right, bottom = box or (0, 0, 200, 200)
    turn = np.array([[0.8, 0.15], [-0.1, 0.85]])
    places = grid((left, top, right, bottom), (4, 5)) @ turn.T + [8, 21]
    found = warp(image, places, box).astype(float)
    # Grids count from the corners of the picture, SciPy from the middle of the first pixel.
    ys, xs = np.mgrid[top:bottom, left:right] + 0.5
    points = np.stack([xs, ys], axis=-1) @ turn.T + [8, 21] - 0.5
    assert found.shape == (*points.shape[:2], 3)
    for number in range(3):
        channel = image[..., number].astype(float)
        expected = ndimage.map_coordinates(channel, [points[..., 1], points[..., 0]], order=3)
        # Pillow's cubic misses a slope by a tenth of a pixel, and cuts fractions of levels off.
        steepest = np.abs(np.gradient(channel)).sum(axis=0).max()
        assert np.abs(found[..., number] + 0.5 - expected).max() < 0.1 * steepest + 0.6


def test_a_warp_that_moves_nothing_changes_nothing():
    image = astronaut()[:, :150]
    found = warp(image, grid((0, 0, 150, 200), (7, 9)))
    assert np.abs(found.astype(int) - image).max() <= 1


def test_places_outside_are_moved_to_the_border():
    image = np.full((40, 60, 3), 90, np.uint8)
    places = grid((500, -300, 560, -260), (3, 3))
    assert (warp(image, places) == 90).all()


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


def view_of(image, landmarks):
    return blending.View(image, landmarks, (0, 0, *image.shape[1::-1]))


def forged(method, seed, landmarks=LANDMARKS, donor=None):
    """The target, the forgery, its mask and its weights."""
    rng = np.random.default_rng(seed)
    target = blending.target(view_of(astronaut(), landmarks), rng)
    return target, *blending.forge(method, target, donor or view_of(*mirrored()), rng)


@pytest.mark.parametrize("method", blending.METHODS)
def test_forgeries_differ_in_the_mask_and_close_to_it_alone(method):
    axes = face_axes(LANDMARKS)
    ys, xs = np.mgrid[:200, :200]
    centre = axes.pixels(np.array([[0, 0.5]]))[0]
    far = np.hypot(xs - centre[0], ys - centre[1]) > 2.2 * axes.size
    retouched = 0
    for seed in range(40):
        target, forgery, mask, blend = forged(method, seed)
        assert forgery.dtype == mask.dtype == blend.dtype == np.uint8
        np.testing.assert_array_equal(mask, blend > 127)
        assert mask.any()
        assert mask.max() == 1
        changed = np.abs(forgery.astype(int) - target.image)
        assert changed[mask == 1].mean() > 1
        assert not mask[far].any()
        assert not changed[far].any()
        assert not changed[blend == 0].any()
        retouched += (target.image != astronaut()).any()
    assert 10 < retouched < 30


@pytest.mark.parametrize("method", blending.METHODS)
def test_where_nothing_can_be_forged_the_picture_stays(method):
    for seed in range(4):
        target, forgery, mask, blend = forged(method, seed, LANDMARKS + 5000)
        np.testing.assert_array_equal(forgery, target.image)
        assert mask.shape == blend.shape == (200, 200)
        assert not mask.any()
        assert not blend.any()


def test_a_donor_who_looks_the_other_way_is_mirrored():
    donor = view_of(*mirrored())
    for seed in range(4):
        _, forgery, *masks = forged("swap", seed, donor=donor)
        _, other, *other_masks = forged("swap", seed, donor=views.mirrored(donor))
        np.testing.assert_array_equal(forgery, other)
        np.testing.assert_array_equal(masks, other_masks)


@pytest.mark.parametrize(("nose", "alike"), [((83, 95), True), ((83, 118), False)])
def test_a_face_is_not_laid_over_itself(nose, alike):
    ours, theirs = LANDMARKS.copy(), LANDMARKS.copy()
    ours[2, 0], theirs[2, 0] = nose
    for seed in range(4):
        _, weight = swap(astronaut(), ours, astronaut(), theirs, np.random.default_rng(seed))
        assert weight.any() == alike


def test_a_forgery_that_shows_nothing_is_none():
    plain = np.full((200, 200, 3), 128, np.uint8)
    target = blending.Target(view_of(plain, LANDMARKS), plain.copy())
    for seed in range(4):
        rng = np.random.default_rng(seed)
        forgery, mask, blend = blending.forge("self-blended", target, None, rng)
        np.testing.assert_array_equal(forgery, plain)
        assert not mask.any()
        assert not blend.any()
