"""Drawing of the figures: arrays in, PNG files out.

Colours are Matplotlib's viridis (similarity) and inferno (masks, feature maps), as in
`lrl_keras.plots.drawing`. Sizes are in inches.
"""

import math

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from lrl_keras.system.files import replacing

_SIDE = 1.25  # of an image
_LABEL = 1.05  # of the labels before the rows
_HEAD = 0.19  # of a line above the columns
_BAR = 0.75  # of the explanation of the colours, below
_DPI = 150


class Sheet:
    """Rows of square images with heads above the columns and labels before the rows.

    Args:
        labels: texts, one a row.
        heads: texts, one a column.
        block: rows that belong together; default: all of them.
    """

    def __init__(self, labels, heads, block=None):
        starts = range(block or len(labels), len(labels), block or len(labels))
        gap = 0.2
        ratios = [1 + gap * (row in starts) for row in range(len(labels))]
        above = _HEAD * max(head.count("\n") + 1 for head in heads) + 0.1
        width = _LABEL + len(heads) * _SIDE + 0.05
        height = above + sum(ratios) * _SIDE + _BAR
        self.figure = Figure(figsize=(width, height))
        self._axes = []
        top = height - above
        for row, (label, ratio) in enumerate(zip(labels, ratios, strict=True)):
            top -= ratio * _SIDE
            self._axes.append(
                [
                    self._square(_LABEL + column * _SIDE, top, width, height)
                    for column in range(len(heads))
                ]
            )
            self._axes[row][0].set_ylabel(
                label, rotation=0, ha="right", va="center", fontsize=8, labelpad=6
            )
        for axes, head in zip(self._axes[0], heads, strict=True):
            axes.set_title(head, fontsize=9, pad=4)

    def _square(self, left, bottom, width, height):
        side = _SIDE - 0.08
        axes = self.figure.add_axes((left / width, bottom / height, side / width, side / height))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        return axes

    def face(self, row, column, image):
        """Show a uint8 array (H, W, 3)."""
        self._axes[row][column].imshow(image, interpolation="antialiased")

    def map(self, row, column, values, colours):
        """Show an array (H, W) from 0 to 1, one square an entry."""
        self._axes[row][column].imshow(
            values, cmap=colours, vmin=0, vmax=1, interpolation="nearest"
        )

    def outline(self, row, column, mask):
        """Draw the border of a mask (H, W) of 0 and 1 that has both."""
        self._axes[row][column].contour(mask, [0.5], colors="#56B4E9", linewidths=0.8)

    def bar(self, colours, columns, text):
        """Explain colours from 0 to 1 below the columns from the first to the last of `columns`."""
        first, last = (self._axes[-1][column].get_position() for column in columns)
        _bar(self.figure, colours, first.x0, last.x1, text)

    def save(self, path):
        """Write it as a PNG."""
        _save(self.figure, path)


def statistics(kinds, path):
    """Draw the mean similarity pattern and the most predictive patches of kinds of faces.

    Args:
        kinds: dict of name to (pattern (k², k²) in [0, 1], shares of the faces (k, k) that sum up
            to 1 or 0, mean face uint8 (S, S, 3), number of faces, side of the map that is cut
            into patches).
        path: PNG file to write.
    """
    side, gap, above = 2.0, 0.55, 0.35
    lefts, widths = (0.85, 3.55, 7.45), (side, 3.6, side)
    width, height = 9.55, above + len(kinds) * (side + gap) + _BAR - 0.2
    figure = Figure(figsize=(width, height))
    most = max(shares.max() for _, shares, *_ in kinds.values())
    heads = "mean similarity pattern", "most predictive patch", "the same on the mean face"
    for row, (name, (pattern, shares, face, count, side_of_map)) in enumerate(kinds.items()):
        bottom = height - above - side - row * (side + gap)
        first, second, third = (
            figure.add_axes((left / width, bottom / height, wide / width, side / height))
            for left, wide in zip(lefts, widths, strict=True)
        )
        _pattern(first, pattern, len(shares))
        first.set_ylabel(f"{name}\n{count} faces", fontsize=10)
        _bars(second, shares, most)
        _shares_on_face(third, shares, face, side_of_map)
        if row == 0:
            for axes, head in zip((first, second, third), heads, strict=True):
                axes.set_title(head, fontsize=10)
    box = first.get_position()
    _bar(figure, "viridis", box.x0, box.x1, "0 unlike, 1 alike")
    _save(figure, path)


def shortened(text, most=14):
    """Shorten a text to fit before a row."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _pattern(axes, pattern, side):
    axes.imshow(pattern, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    for line in range(side, side * side, side):
        axes.axhline(line - 0.5, color="white", linewidth=0.6)
        axes.axvline(line - 0.5, color="white", linewidth=0.6)
    first = np.arange(side) * side
    axes.set_xticks(first, first + 1, fontsize=7)
    axes.set_yticks(first, first + 1, fontsize=7)


def _bars(axes, shares, most):
    side = len(shares)
    axes.bar(np.arange(1, side * side + 1), 100 * shares.reshape(-1), color="#0072B2")
    for line in range(side, side * side, side):
        axes.axvline(line + 0.5, color="0.8", linewidth=0.8)
    axes.set_xlim(0.4, side * side + 0.6)
    axes.set_ylim(0, 105 * most or 1)
    axes.set_xticks(np.arange(side) * side + 1)
    axes.set_xlabel("patch, row by row", fontsize=8, labelpad=1)
    axes.set_ylabel("% of the faces", fontsize=8)
    axes.tick_params(labelsize=7)


def _shares_on_face(axes, shares, face, side):
    """Colour the patches of a map of `side` pixels; those at the border are smaller or absent."""
    extent = (0, side, side, 0)
    patch = math.ceil(side / len(shares))
    pixels = shares.repeat(patch, axis=0).repeat(patch, axis=1)[:side, :side]
    axes.imshow(face, extent=extent)
    axes.imshow(
        pixels, cmap="inferno", vmin=0, vmax=shares.max() or 1, alpha=0.55, extent=extent,
        interpolation="nearest",
    )  # fmt: skip
    for (row, column), share in np.ndenumerate(shares):
        if patch * max(row, column) >= side:
            continue
        y, x = (patch * place + min(patch, side - patch * place) / 2 for place in (row, column))
        axes.text(
            x, y, f"{100 * share:.0f}", color="white", fontsize=7,
            ha="center", va="center", path_effects=[withStroke(linewidth=1.5, foreground="black")],
        )  # fmt: skip
    axes.set_xticks([])
    axes.set_yticks([])


def _bar(figure, colours, left, right, text):
    """Explain colours from 0 to 1 at the bottom of a figure, from `left` to `right` (0 to 1)."""
    width, height = figure.get_size_inches()
    # The numbers at its ends are wider than it is.
    inset = 0.15 / width
    space = (left + inset, 0.44 / height, right - left - 2 * inset, 0.1 / height)
    axes = figure.add_axes(space)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), colours), cax=axes, orientation="horizontal",
        ticks=[0, 0.5, 1],
    )  # fmt: skip
    axes.tick_params(labelsize=7)
    bar.set_label(text, fontsize=8)


def _save(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_DPI)
