"""The values of a request, each an image in numbers or an encoded file, read and checked."""

import base64
import binascii
import itertools

import numpy as np

from lrl_keras.serving.problems import Problem

_KINDS = {
    str: "a string",
    dict: "an object",
    list: "a list",
    bool: "true or false",
    type(None): "null",
    int: "a number",
    float: "a number",
}
_PARTS = ("rows", "columns", "channels")
# Places where a wrong value is found, from an image down to its numbers.
_INSIDE = ("", " for a row", " for a pixel", " for a channel")


def kind(value):
    """Name the kind of a value of JSON, for errors."""
    return _KINDS[type(value)]


def is_b64(value):
    """Return whether a value of JSON is `{"b64": ...}`, an encoded file."""
    return isinstance(value, dict) and list(value) == ["b64"]


def contents(value, name):
    """Read the bytes of a file given as `{"b64": "..."}`.

    Args:
        value: of JSON.
        name: of the value, for errors.

    Raises:
        Problem: 400, beginning with `name`.
    """
    if not is_b64(value) or not isinstance(value["b64"], str):
        wrong = kind(value["b64"] if is_b64(value) else value)
        raise Problem(400, f'{name}: found {wrong}, expected {{"b64": "..."}}')
    text = "".join(value["b64"].split()).rstrip("=")
    try:
        # TensorFlow Serving needs no padding either.
        found = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Problem(400, f"{name}: 'b64' is no base64") from None
    if not found:
        raise Problem(400, f"{name}: 'b64' is empty")
    return found


def pixels(value, image_size, whole, name):
    """Read an image given as numbers.

    Args:
        value: lists of rows of pixels of channels, RGB, 0..255.
        image_size: S, side of the network's input in pixels.
        whole: whether the network takes whole numbers alone.
        name: of the value, for errors.

    Returns:
        uint8 or float32 array (S, S, 3).

    Raises:
        Problem: 400, beginning with `name`.
    """
    shape = (image_size, image_size, 3)
    numbers = _flat(value, shape, name)
    try:
        array = np.array(numbers, np.float64)
    except OverflowError:
        array = np.array([np.inf])
    low, high = array.min(), array.max()
    if low < 0 or high > 255:
        found = low if low < 0 else high
        raise Problem(400, f"{name}: holds {found:.9g}, values must lie in 0..255")
    is_whole = np.array_equal(array, np.floor(array))
    if whole and not is_whole:
        raise Problem(400, f"{name}: holds fractions, this network takes whole numbers")
    return array.astype(np.uint8 if is_whole else np.float32).reshape(shape)


def _flat(value, shape, name):
    """Return the numbers of nested lists of exactly this shape, row by row."""
    expected = f"{name}: expected {' x '.join(map(str, shape))} numbers, found"
    items = [value]
    for length, inside, parts in zip(shape, _INSIDE[:-1], _PARTS, strict=True):
        _check_kinds(items, {list}, expected, inside)
        lengths = set(map(len, items))
        if lengths != {length}:
            raise Problem(400, f"{expected} {' and '.join(map(str, sorted(lengths)[:3]))} {parts}")
        items = list(itertools.chain.from_iterable(items))
    _check_kinds(items, {int, float}, expected, _INSIDE[-1])
    return items


def _check_kinds(items, kinds, expected, inside):
    # `np.array` would take strings for numbers, and true for 1.
    others = set(map(type, items)) - kinds
    if others:
        found = " and ".join(sorted({_KINDS[other] for other in others}))
        raise Problem(400, f"{expected} {found}{inside}")
