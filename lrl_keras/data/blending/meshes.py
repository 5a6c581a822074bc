"""Images warped by a coarse grid, in one step of Pillow's bicubic interpolation."""

import numpy as np
from PIL import Image


def warp(image, places, box=None):
    """Sample an image at the places that a grid gives.

    Args:
        image: uint8 (H, W, 3).
        places: float array (rows, columns, 2) of (x, y) in pixels of `image`: `box` is divided
            into even cells, and these are the places of their corners. Those outside of the image
            are moved to its border.
        box: (left, top, right, bottom) in pixels of the result. Defaults to all of `image`.

    Returns:
        uint8 (bottom - top, right - left, 3).
    """
    height, width = image.shape[:2]
    left, top, right, bottom = box or (0, 0, width, height)
    rows, columns = (count - 1 for count in places.shape[:2])
    places = np.clip(places, 0, np.array([width, height]) - 1e-3)
    ys = np.rint(np.linspace(0, bottom - top, rows + 1)).astype(int).tolist()
    xs = np.rint(np.linspace(0, right - left, columns + 1)).astype(int).tolist()
    # Corners of a cell in Pillow's order: upper left, lower left, lower right, upper right.
    corners = np.concatenate(
        [places[:-1, :-1], places[1:, :-1], places[1:, 1:], places[:-1, 1:]], axis=-1
    )
    mesh = [
        ((xs[column], ys[row], xs[column + 1], ys[row + 1]), corners[row, column].tolist())
        for row in range(rows)
        for column in range(columns)
        if xs[column + 1] > xs[column] and ys[row + 1] > ys[row]
    ]
    warped = Image.fromarray(image).transform(
        (right - left, bottom - top), Image.Transform.MESH, mesh, Image.Resampling.BICUBIC
    )
    return np.asarray(warped)


def grid(box, cells):
    """Return the corners of the cells of a box: float array (rows + 1, columns + 1, 2) of (x, y).

    Args:
        box: (left, top, right, bottom).
        cells: (rows, columns).
    """
    left, top, right, bottom = box
    rows, columns = cells
    # `warp` rounds them likewise.
    ys = np.rint(np.linspace(0, bottom - top, rows + 1)) + top
    xs = np.rint(np.linspace(0, right - left, columns + 1)) + left
    return np.stack(np.meshgrid(xs, ys), axis=-1)
