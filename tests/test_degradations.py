"""Degradations on photographs, against other libraries and against what their names promise."""

import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import pytest
import tensorflow as tf
import videos
from PIL import Image
from scipy import ndimage
from skimage import color, data
from skimage.metrics import peak_signal_noise_ratio

from lrl_keras.errors import InputError
from lrl_keras.media.degradations import DEGRADATIONS, LEVELS, degrade, may_stay

CELLS = list(itertools.product(DEGRADATIONS, LEVELS))
FACE = ("faceforensics", "Deepfakes", "071_054", 12)


def photograph(height, width=None):
    """The astronaut's face and what is around it."""
    face = Image.fromarray(data.astronaut()[0:220, 110:330])
    return np.asarray(face.resize((width or height, height), Image.Resampling.BICUBIC))


def strength(name, level):
    return DEGRADATIONS[name].strengths[level - 1]


def plain(value, size=160):
    return np.full((size, size, 3), value, np.uint8)


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize(
    ("height", "width"), [(17, 17), (32, 32), (33, 48), (64, 63), (160, 160), (300, 299)]
)
def test_every_level_changes_a_photograph_of_any_size(name, height, width):
    image = photograph(height, width)
    before = image.copy()
    for level in LEVELS:
        found = degrade(image, name, level, face=FACE)
        assert found.shape == image.shape
        assert found.dtype == np.uint8
        assert found.flags.writeable
        # Blocks cover 16 of 1024 parts and more, all others change nearly everything.
        changed = (found != image).any(axis=-1).mean()
        assert changed > (0.01 if name == "blocks" else 0.8), (level, changed)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("size", [64, 160, 299])
def test_a_higher_level_is_a_stronger_change(name, size):
    image = photograph(size)
    degraded = [degrade(image, name, level, face=FACE) for level in LEVELS]
    if name == "blocks":
        left = [1 - (found != image).any(axis=-1).mean() for found in degraded]
    else:
        left = [peak_signal_noise_ratio(image, found) for found in degraded]
    assert all(strong < weak for weak, strong in itertools.pairwise(left)), left


def test_saturation_takes_colour_and_leaves_brightness():
    image = photograph(96)
    before = color.rgb2ycbcr(image)
    for level in LEVELS:
        after = color.rgb2ycbcr(degrade(image, "saturation", level))
        np.testing.assert_allclose(after[..., 0], before[..., 0], atol=1.5)
        expected = 128 + strength("saturation", level) * (before[..., 1:] - 128)
        np.testing.assert_allclose(after[..., 1:], expected, atol=1.5)
    assert np.ptp(degrade(image, "saturation", 5), axis=-1).max() == 0


def test_contrast_shrinks_the_spread_around_the_same_brightness():
    image = photograph(96).astype(float)
    for level in LEVELS:
        found = degrade(image.astype(np.uint8), "contrast", level).astype(float)
        assert found.std() == pytest.approx(strength("contrast", level) * image.std(), rel=0.05)
        grey = [picture @ [0.299, 0.587, 0.114] for picture in (image, found)]
        assert grey[1].mean() == pytest.approx(grey[0].mean(), abs=1)


@pytest.mark.parametrize("size", [32, 160, 256, 512])
def test_blocks_are_separate_grey_squares_of_the_same_share_at_any_size(size):
    for level in LEVELS:
        found = degrade(plain(10, size), "blocks", level, face=FACE)
        assert set(np.unique(found)) == {10, 128}
        covered = (found[..., 0] == 128).sum()
        assert covered == strength("blocks", level) * (size // 32) ** 2
        # No connected part is smaller than one block.
        parts, _ = ndimage.label(found[..., 0] == 128)
        assert np.bincount(parts.ravel())[1:].min() >= (size // 32) ** 2


def test_blocks_lie_anywhere():
    covered = np.zeros((64, 64), bool)
    for frame in range(40):
        found = degrade(plain(10, 64), "blocks", 5, face=("a", frame))
        covered |= found[..., 0] == 128
    assert covered.mean() > 0.9


def test_noise_has_the_stated_variance_in_every_channel():
    for level in LEVELS:
        noise = degrade(plain(128, 200), "noise", level, face=FACE).reshape(-1, 3) / 255
        # The strongest is cut off at black and white, 2.2 deviations away.
        tolerance = 0.1 if level == 5 else 0.03
        variances = noise.var(axis=0)
        np.testing.assert_allclose(variances, strength("noise", level), rtol=tolerance)
        np.testing.assert_allclose(noise.mean(axis=0), 128 / 255, atol=0.005)
        assert np.abs(np.corrcoef(noise.T) - np.eye(3)).max() < 0.03


def test_blur_is_a_convolution_with_the_stated_kernel():
    image = photograph(80)
    for level in LEVELS:
        size = strength("blur", level)
        places = np.arange(size) - size // 2
        weights = np.exp(-(places**2) / (2 * (size / 6) ** 2))
        weights /= weights.sum()
        expected = image.astype(float)
        for axis in (0, 1):
            expected = ndimage.convolve1d(expected, weights, axis, mode="mirror")
        np.testing.assert_allclose(degrade(image, "blur", level), expected, atol=0.51)


def test_rescaling_loses_detail_that_the_small_picture_cannot_hold():
    side = 120
    for level in LEVELS:
        factor = strength("rescaling", level)
        stripes = plain(0, side)
        stripes[:, ::2] = 255
        fine = degrade(stripes, "rescaling", level)[10:-10, 10:-10]
        assert np.ptp(fine) < 100
        ramp = np.broadcast_to(np.linspace(0, 255, side)[:, None, None], (side, side, 3))
        found = degrade(np.rint(ramp).astype(np.uint8), "rescaling", level)
        margin = 2 * factor
        np.testing.assert_allclose(found[margin:-margin], ramp[margin:-margin], atol=1.5)


def test_video_compression_is_that_of_a_video_file(tmp_path):
    image = photograph(96, 128)
    for level in LEVELS:
        crf = strength("video_compression", level)
        path = videos.write_video(tmp_path / f"{crf}.mp4", [image], options={"crf": str(crf)})
        with av.open(str(path)) as container:
            (frame,) = container.decode(video=0)
            expected = frame.to_ndarray(format="rgb24")
        np.testing.assert_array_equal(degrade(image, "video_compression", level), expected)
    assert np.abs(expected.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 4


def test_jpeg_is_that_of_another_encoder_at_the_same_quality():
    image = photograph(160)
    for level in LEVELS:
        encoded = tf.io.encode_jpeg(image, quality=strength("jpeg", level))
        expected = tf.io.decode_jpeg(encoded, dct_method="INTEGER_ACCURATE").numpy()
        found = degrade(image, "jpeg", level)
        assert np.abs(found - expected.astype(int)).mean() < 0.5


@pytest.mark.parametrize(("name", "level"), CELLS)
def test_the_same_arguments_give_the_same_bytes(name, level):
    image = photograph(64)
    expected = degrade(image, name, level, seed=3, face=FACE)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: degrade(image, name, level, seed=3, face=FACE), range(8)):
            np.testing.assert_array_equal(found, expected)
    others = [
        degrade(image, name, level, seed=4, face=FACE),
        *(
            degrade(image, name, level, seed=3, face=(*FACE[:place], other, *FACE[place + 1 :]))
            for place, other in enumerate(("celeb_df", "FaceSwap", "071_055", 13))
        ),
    ]
    for other in others:
        assert (other != expected).any() == DEGRADATIONS[name].draws


def test_chance_does_not_depend_on_the_process():
    code = (
        "import zlib, numpy as np\n"
        "from lrl_keras.media.degradations import degrade\n"
        "image = np.full((40, 40, 3), 90, np.uint8)\n"
        f"cells = [degrade(image, name, 3, face={FACE}) for name in ('blocks', 'noise')]\n"
        "print(zlib.crc32(np.stack(cells).tobytes()))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1


def test_levels_of_chance_are_drawn_apart():
    first, second = (degrade(plain(128), "noise", level, face=FACE) for level in (1, 2))
    shared = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert abs(shared) < 0.05


def test_only_pictures_with_nothing_to_change_are_excused():
    colourful, grey = photograph(64), degrade(photograph(64), "saturation", 5)
    for name in DEGRADATIONS:
        assert may_stay(plain(77), name)
        assert not may_stay(colourful, name)
        assert may_stay(grey, name) == (name == "saturation")
    assert not (degrade(grey, "saturation", 1) != grey).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fog", 1), "saturation, contrast, .*'fog'"),
        (("jpeg", 0), "levels .*0"),
        (("jpeg", 6), "levels .*6"),
    ],
)
def test_unknown_degradations_and_levels_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        degrade(photograph(32), *arguments)
    with pytest.raises(InputError, match="seed"):
        degrade(photograph(32), "noise", 1, seed=-1)
