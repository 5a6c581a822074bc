import io
import os
import resource
import sys

import numpy as np
import pytest
import tensorflow as tf
from damage import png_of_zeros
from PIL import Image, ImageOps
from skimage import data

from lrl_keras.errors import InputError
from lrl_keras.media import images

PHOTOGRAPHS = (data.astronaut, data.chelsea, data.coffee, data.rocket, data.retina)


@pytest.fixture(scope="module")
def photograph():
    return data.chelsea()  # 300 x 451


def saved(folder, name, image, **options):
    path = folder / name
    image.save(path, **options)
    return path


def one_line(path):
    with pytest.raises(InputError) as caught:
        images.read_image(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("size", [32, 64, 160, 299, 380, 513])
@pytest.mark.parametrize("load", PHOTOGRAPHS, ids=lambda load: load.__name__)
def test_resize_differs_from_pillow_by_one_level_at_most(load, size):
    pixels = load()
    ours = images.resize(pixels, size).numpy().astype(int)
    bilinear = Image.Resampling.BILINEAR
    theirs = np.asarray(Image.fromarray(pixels).resize((size, size), bilinear)).astype(int)
    assert np.abs(ours - theirs).max() == 1
    assert (ours == theirs).mean() > 0.8


def test_resize_leaves_the_right_size_unchanged():
    pixels = data.astronaut()
    np.testing.assert_array_equal(images.resize(pixels, 512), pixels)


def test_resize_is_the_same_in_a_dataset_and_outside():
    pixels = data.coffee()
    contents = png(pixels)
    dataset = tf.data.Dataset.from_tensors(contents).map(
        lambda contents: images.resize(tf.io.decode_png(contents, channels=3), 299)
    )
    np.testing.assert_array_equal(next(iter(dataset)), images.resize(pixels, 299))


def test_png_size_reads_the_header_alone():
    bomb = png_of_zeros(30000, 20000)
    np.testing.assert_array_equal(images.png_size(bomb), [20000, 30000])
    for contents in (b"", b"abc", bomb[:23], b"\xff" + bomb[1:]):
        np.testing.assert_array_equal(images.png_size(contents), [0, 0])


@pytest.mark.parametrize("size", [299, 100, 33])
def test_resized_mask_keeps_the_area(size):
    y, x = np.mgrid[:320, :320]
    mask = ((x - 150) ** 2 + (y - 170) ** 2 < 90**2).astype(np.uint8)
    small = images.resize_mask(mask[..., None] * np.uint8(255), size).numpy()
    assert set(np.unique(small)) == {0, 1}
    assert small.mean() == pytest.approx(mask.mean(), rel=0.02)


def test_resized_mask_takes_the_majority_of_each_block():
    rng = np.random.default_rng(1)
    mask = (rng.random((96, 96)) < 0.5).astype(np.uint8)
    blocks = mask.reshape(32, 3, 32, 3).sum(axis=(1, 3)) > 4
    small = images.resize_mask(mask[..., None] * np.uint8(255), 32).numpy()[..., 0]
    np.testing.assert_array_equal(small, blocks)


def test_jpeg_is_decoded_like_tensorflows_accurate_decoder(tmp_path, photograph):
    path = saved(tmp_path, "a.jpg", Image.fromarray(photograph), quality=80)
    accurate = tf.io.decode_jpeg(path.read_bytes(), dct_method="INTEGER_ACCURATE")
    np.testing.assert_array_equal(images.read_image(path), accurate)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp"])
def test_lossless_formats_keep_every_pixel(tmp_path, photograph, name):
    options = {"lossless": True} if name == "a.webp" else {}
    path = saved(tmp_path, name, Image.fromarray(photograph), **options)
    pixels = images.read_image(path)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, photograph)


def test_the_content_and_not_the_name_tells_the_format(tmp_path, photograph):
    path = saved(tmp_path, "a.jpg", Image.fromarray(photograph), format="PNG")
    np.testing.assert_array_equal(images.read_image(path), photograph)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_exif_rotation_is_applied(tmp_path, photograph, kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    image = Image.fromarray(photograph)
    path = saved(tmp_path, "a", image, format=kind, exif=exif, **options)
    with Image.open(path) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    np.testing.assert_array_equal(images.read_image(path), expected)
    assert expected.shape[:2] == ((300, 451) if orientation < 5 else (451, 300))


def test_broken_exif_does_not_hide_a_good_picture(tmp_path, photograph):
    image = Image.fromarray(photograph)
    path = saved(tmp_path, "a.png", image, exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff")
    np.testing.assert_array_equal(images.read_image(path), photograph)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_fewer_colours_become_rgb(tmp_path, photograph, mode):
    image = Image.fromarray(photograph).convert(mode)
    path = saved(tmp_path, "a.png", image)
    np.testing.assert_array_equal(images.read_image(path), np.asarray(image.convert("RGB")))


def test_transparent_pixels_are_laid_over_black(tmp_path, photograph):
    alpha = np.tile(np.linspace(0, 255, 451).astype(np.uint8), (300, 1))
    path = saved(tmp_path, "a.png", Image.fromarray(np.dstack([photograph, alpha])))
    expected = np.rint(photograph.astype(float) * alpha[..., None] / 255)
    np.testing.assert_array_equal(images.read_image(path), expected)


def test_a_transparent_palette_entry_is_black(tmp_path):
    image = Image.new("P", (8, 8))
    image.putpalette([200, 10, 10, 10, 200, 10])
    image.putpixel((3, 2), 1)
    path = saved(tmp_path, "a.png", image, transparency=0)
    expected = np.zeros((8, 8, 3), np.uint8)
    expected[2, 3] = [10, 200, 10]
    np.testing.assert_array_equal(images.read_image(path), expected)


def test_cmyk_becomes_rgb(tmp_path, photograph):
    image = Image.fromarray(photograph).convert("CMYK")
    path = saved(tmp_path, "a.jpg", image, quality=95)
    difference = images.read_image(path).astype(int) - photograph
    assert np.abs(difference).mean() < 3


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_keep_their_upper_eight(tmp_path, name):
    gray = data.camera()
    low = np.random.default_rng(2).integers(256, size=gray.shape)
    path = saved(
        tmp_path, name, Image.fromarray((gray.astype(np.uint16) * 256 + low).astype(np.uint16))
    )
    np.testing.assert_array_equal(images.read_image(path), np.dstack([gray] * 3))


def test_sixteen_bit_colour_png_keeps_its_upper_eight(tmp_path, photograph):
    path = tmp_path / "a.png"
    path.write_bytes(tf.io.encode_png(photograph.astype(np.uint16) * 257).numpy())
    np.testing.assert_array_equal(images.read_image(path), photograph)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_of_an_animation_the_first_picture_is_read(tmp_path, photograph, name):
    options = {"lossless": True} if name == "a.webp" else {}
    first, second = Image.fromarray(photograph), Image.fromarray(photograph[::-1])
    path = saved(tmp_path, name, first, save_all=True, append_images=[second], **options)
    np.testing.assert_array_equal(images.read_image(path), photograph)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_samples_are_refused(tmp_path, dtype):
    path = saved(tmp_path, "a.tif", Image.fromarray(data.camera().astype(dtype)))
    assert "32-bit" in one_line(path)


@pytest.mark.parametrize("kind", images.FORMATS)
@pytest.mark.parametrize("part", [0.01, 0.3, 0.7])
def test_cut_off_files_are_named(tmp_path, photograph, kind, part):
    path = saved(tmp_path, "a", Image.fromarray(photograph), format=kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    one_line(path)


@pytest.mark.parametrize("kind", images.FORMATS)
def test_flipped_bits_give_a_picture_or_one_line(tmp_path, photograph, kind):
    path = saved(tmp_path, "a", Image.fromarray(photograph), format=kind)
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(40):
        damaged = bytearray(content)
        for position in rng.integers(min(len(content), 4000), size=3):
            damaged[position] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            outcome = images.read_image(path)
        except InputError as error:
            outcome = str(error)
        if isinstance(outcome, str):
            assert str(path) in outcome
            assert "\n" not in outcome
        else:
            assert outcome.dtype == np.uint8
            assert outcome.shape[2] == 3


@pytest.mark.parametrize(
    "content", [b"", b"some text\n" * 50, b"GIF89a" + bytes(50), bytes(500)], ids=len
)
def test_what_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    one_line(path)


def test_what_is_no_file_is_named(tmp_path):
    one_line(tmp_path)
    one_line(tmp_path / "missing.png")
    os.mkfifo(tmp_path / "pipe.png")
    one_line(tmp_path / "pipe.png")


def test_a_name_with_a_line_break_still_gives_one_line(tmp_path):
    with pytest.raises(InputError, match=r"^[^\n]*a\\nb\.png[^\n]*$"):
        images.read_image(tmp_path / "a\nb.png")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of_zeros(19000, 19000))
    assert path.stat().st_size < 48_000  # and 1.08 GB as RGB
    before = most_memory()
    assert "pixels" in one_line(path)
    assert most_memory() - before < 20e6


def most_memory():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def png(pixels):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
