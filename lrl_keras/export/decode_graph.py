"""`images.decode_image` and `images.resize` as a TensorFlow graph, for models that take files."""

import tensorflow as tf

from lrl_keras.media import images

# The EXIF orientations that exchange rows and columns, and that then mirror them.
_TRANSPOSED = (5, 6, 7, 8)
_MIRRORED = (2, 3, 6, 7)
_UPSIDE_DOWN = (3, 4, 7, 8)
_ORIENTATION = 0x0112
_MARKER_OF_EXIF, _MARKER_OF_SCAN = 0xE1, 0xDA


def decode(contents):
    """Decode JPEG or PNG bytes to the upright 8-bit RGB that `images.decode_image` gives.

    EXIF rotation is applied, transparent pixels are laid over black, 16-bit samples keep their
    upper 8 bits.

    Args:
        contents: scalar string tensor.

    Returns:
        uint8 tensor (H, W, 3).

    Raises:
        tf.errors.InvalidArgumentError: when run on bytes that are neither, are damaged or cut
            off, or hold more than `images.MAX_PIXELS` pixels (told by the header).
    """
    is_jpeg = tf.strings.substr(contents, 0, 3) == b"\xff\xd8\xff"
    size = tf.cond(
        is_jpeg,
        lambda: tf.io.extract_jpeg_shape(contents, tf.int32)[:2],
        lambda: images.png_size(contents),
    )
    pixels = tf.reduce_prod(tf.cast(size, tf.int64))
    known = tf.debugging.Assert(
        tf.logical_and(pixels > 0, pixels <= images.MAX_PIXELS),
        [f"expected a JPEG or PNG of at most {images.MAX_PIXELS} pixels"],
    )
    with tf.control_dependencies([known]):
        image = tf.cond(is_jpeg, lambda: _jpeg(contents), lambda: _png(contents))
        orientation = tf.cond(
            is_jpeg, lambda: _jpeg_orientation(contents), lambda: _png_orientation(contents)
        )
    return _upright(image, orientation)


def face(contents, crop_size, image_size):
    """Decode a face crop and resize it as records and training do.

    Args:
        contents: scalar string tensor, JPEG or PNG.
        crop_size: side in pixels to which crops were resized in the training records.
        image_size: side S of the network's input in pixels.

    Returns:
        uint8 tensor (S, S, 3).
    """
    return images.resize(images.resize(decode(contents), crop_size), image_size)


def _jpeg(contents):
    # The default method is faster, and up to 7 levels from what Pillow decodes.
    return tf.io.decode_jpeg(contents, channels=3, dct_method="INTEGER_ACCURATE")


def _png(contents):
    pixels = tf.cast(tf.io.decode_png(contents, channels=4), tf.int32)
    # Gray samples of 1, 2 or 4 bits come as they are stored.
    header = tf.cast(tf.io.decode_raw(contents, tf.uint8), tf.int32)
    bits, colours = header[24], header[25]
    few = tf.logical_and(colours == 0, bits < 8)
    levels = tf.where(few, 255 // (tf.bitwise.left_shift(1, bits) - 1), 1)
    product = levels * pixels[..., :3] * pixels[..., 3:] + 128
    # Division by 255, rounded, as Pillow computes it.
    return tf.cast((product + product // 256) // 256, tf.uint8)


def _jpeg_orientation(contents):
    data = _padded(contents)
    segment = tf.while_loop(
        lambda at: tf.logical_not(
            tf.reduce_any([
                data[at] != 0xFF,
                data[at + 1] == _MARKER_OF_SCAN,
                tf.logical_and(data[at + 1] == _MARKER_OF_EXIF, _spells(data, at + 4, b"Exif\0\0")),
            ])
        ),
        lambda at: (_inside(data, at + 2 + _number(data, at + 2, 2)),),
        [tf.constant(2)],
    )[0]  # fmt: skip
    return tf.cond(
        tf.logical_and(data[segment] == 0xFF, data[segment + 1] == _MARKER_OF_EXIF),
        lambda: _orientation(data, segment + 10),
        lambda: 1,
    )


def _png_orientation(contents):
    data = _padded(contents)
    chunk = tf.while_loop(
        lambda at: tf.logical_not(
            tf.reduce_any([
                _spells(data, at + 4, b"eXIf"),
                _spells(data, at + 4, b"IEND"),
                _spells(data, at + 4, b"\0\0\0\0"),
            ])
        ),
        lambda at: (_inside(data, at + 12 + _number(data, at, 4)),),
        [tf.constant(8)],
    )[0]  # fmt: skip
    return tf.cond(
        _spells(data, chunk + 4, b"eXIf"), lambda: _orientation(data, chunk + 8), lambda: 1
    )


def _orientation(data, start):
    """Return the value of the orientation tag of the EXIF block at `start`, 1 where it has none."""
    little = _spells(data, start, b"II*\0")
    known = tf.logical_or(little, _spells(data, start, b"MM\0*"))

    def number(at, length):
        return tf.where(little, _number(data, at, length, reverse=True), _number(data, at, length))

    directory = _inside(data, start + number(start + 4, 4))
    places = _inside(data, directory + 2 + 12 * tf.range(number(directory, 2)))
    tags = tf.map_fn(lambda at: number(at, 2), places)
    found = tf.boolean_mask(places, tags == _ORIENTATION)
    return tf.cond(
        tf.logical_and(known, tf.size(found) > 0), lambda: number(found[0] + 8, 2), lambda: 1
    )


def _upright(image, orientation):
    def one_of(values):
        return tf.reduce_any(orientation == tf.constant(values))

    image = tf.cond(one_of(_TRANSPOSED), lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    image = tf.cond(one_of(_MIRRORED), lambda: image[:, ::-1], lambda: image)
    image = tf.cond(one_of(_UPSIDE_DOWN), lambda: image[::-1], lambda: image)
    return tf.ensure_shape(image, (None, None, 3))


def _padded(contents):
    """Return the bytes as int32, with zeros behind them for what reads beyond the end."""
    data = tf.cast(tf.io.decode_raw(contents, tf.uint8), tf.int32)
    return tf.concat([data, tf.zeros(32, tf.int32)], axis=0)


def _inside(data, places):
    return tf.clip_by_value(places, 0, tf.size(data) - 32)


def _number(data, at, length, reverse=False):
    """Read 2 or 4 bytes, the most significant one first; damage may make the number < 0."""
    digits = data[at : at + length]
    digits = digits[::-1] if reverse else digits
    return tf.reduce_sum(tf.bitwise.left_shift(digits, 8 * tf.range(length)[::-1]))


def _spells(data, at, text):
    return tf.reduce_all(data[at : at + len(text)] == tf.constant(list(text)))
