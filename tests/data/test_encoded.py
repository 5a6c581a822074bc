"""What the graph makes of a file is what Pillow makes of it, level by level."""

import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image
from skimage import data

from lrl_keras.export import decode_graph
from lrl_keras.media import images

PICTURE = Image.fromarray(data.astronaut()[:61, :47])
BYTES = tf.TensorSpec((), tf.string)
decode = tf.function(decode_graph.decode, input_signature=[BYTES])


def saved(image, kind, **options):
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def png(bits, colour, samples, side=8):
    """A PNG of random samples, in forms that Pillow reads and does not write."""

    def chunk(name, content):
        return (
            struct.pack(">I", len(content))
            + name
            + content
            + struct.pack(">I", zlib.crc32(name + content))
        )

    rng = np.random.default_rng(bits + colour)
    rows = b"".join(b"\0" + rng.bytes(side * samples * bits // 8) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, bits, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def turned(kind, orientation, big_endian=False):
    exif = Image.Exif()
    exif.endian = ">" if big_endian else "<"
    exif[ExifTags.Base.Make] = "somebody"
    exif[ExifTags.Base.Orientation] = orientation
    return saved(PICTURE, kind, exif=exif)


def transparent():
    alpha = np.random.default_rng(1).integers(0, 256, PICTURE.size[::-1], np.uint8)
    image = PICTURE.copy()
    image.putalpha(Image.fromarray(alpha))
    return image


FILES = {
    "jpeg": saved(PICTURE, "JPEG"),
    "progressive": saved(PICTURE, "JPEG", progressive=True, quality=40),
    "full colour": saved(PICTURE, "JPEG", subsampling=0),
    "gray jpeg": saved(PICTURE.convert("L"), "JPEG"),
    "cmyk": saved(PICTURE.convert("CMYK"), "JPEG"),
    "png": saved(PICTURE, "PNG"),
    "transparent": saved(transparent(), "PNG"),
    "gray transparent": saved(transparent().convert("LA"), "PNG"),
    "palette": saved(PICTURE.quantize(32), "PNG"),
    "palette with a hole": saved(PICTURE.quantize(8), "PNG", transparency=2),
    "one colour transparent": saved(PICTURE.convert("L"), "PNG", transparency=100),
    **{f"gray of {bits} bits": png(bits, 0, 1) for bits in (1, 2, 4, 8, 16)},
    "16 bits": png(16, 2, 3),
    "16 bits transparent": png(16, 6, 4),
    **{f"jpeg turned {n}": turned("JPEG", n) for n in range(10)},
    **{f"jpeg turned {n}, big endian": turned("JPEG", n, True) for n in (3, 6)},
    **{f"png turned {n}": turned("PNG", n) for n in (1, 5, 6, 8)},
}


@pytest.mark.parametrize("name", FILES)
def test_the_graph_decodes_as_pillow_does(name):
    expected = images.decode_image(io.BytesIO(FILES[name]), name)
    np.testing.assert_array_equal(decode(FILES[name]).numpy(), expected)


@pytest.mark.parametrize("name", ["jpeg turned 6", "transparent"])
def test_a_face_is_resized_as_prediction_does_it(name):
    found = tf.function(
        lambda contents: decode_graph.face(contents, 40, 33), input_signature=[BYTES]
    )(FILES[name])
    picture = images.decode_image(io.BytesIO(FILES[name]), name)
    expected = images.resize(images.resize(picture, 40), 33)
    assert found.shape == (33, 33, 3)
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def bomb():
    contents = bytearray(FILES["png"])
    contents[16:24] = struct.pack(">II", 30_000, 30_000)
    contents[29:33] = struct.pack(">I", zlib.crc32(contents[12:29]))
    return bytes(contents)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"no picture at all",
        FILES["jpeg"][:300],
        FILES["png"][:200],
        FILES["png"][:20],
        saved(PICTURE, "WEBP"),
        saved(PICTURE, "BMP"),
        bomb(),
        b"\xff\xd8\xff",
    ],
    ids=["empty", "text", "cut jpeg", "cut png", "head", "webp", "bmp", "bomb", "marker"],
)
def test_what_cannot_be_decoded_is_an_error(contents):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode(contents)


def test_random_damage_is_an_error_or_a_picture():
    rng = np.random.default_rng(0)
    refused = 0
    for name in ("jpeg turned 6", "png turned 6"):
        for _ in range(150):
            contents = bytearray(FILES[name])
            for place in rng.integers(0, len(contents), 3):
                contents[place] = rng.integers(256)
            try:
                assert decode(bytes(contents)).shape[-1] == 3
            except tf.errors.InvalidArgumentError:
                refused += 1
    assert 50 < refused < 290
