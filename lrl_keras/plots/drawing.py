"""Pictures and figures: arrays in, arrays or PNG files out, no model anywhere.

Colours are those of Okabe and Ito and Matplotlib's viridis and inferno, which people with any
kind of colour vision can tell apart.
"""

import functools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from PIL import Image, ImageDraw, ImageFont
from sklearn.metrics import auc, roc_curve

from lrl_keras.system.files import replacing

REAL = (0, 114, 178)
FORGED = (213, 94, 0)
_UNKNOWN = (90, 90, 90)
_CURVES = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_STYLES = ("-", "--", "-.", ":")

_SIDE_OF_SIMILARITY = 400
_SIDE_OF_EXAMPLE = 150
_GAP = 8
_COLUMNS = ("image", "mask", "similarity target")
_LEGEND = "mask: forged is white     similarity target: alike is bright, unlike is dark"


def save_png(image, path):
    """Write a uint8 array (H, W, 3) as a PNG, by rename: whole or not at all."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def heat_map(image, heat, box=None, opacity=0.7):
    """Lay a heat map over a picture; the cooler a place, the more of the picture shows.

    Args:
        image: uint8 array (H, W, 3).
        heat: array (h, w) or (h, w, 1) in [0, 1], of any size.
        box: (x0, y0, x1, y1) in pixels of `image` that the map covers; default: all of it.
        opacity: of the hottest place, in [0, 1]. Defaults to 0.7.

    Returns:
        uint8 array (H, W, 3).
    """
    x0, y0, x1, y1 = box or (0, 0, image.shape[1], image.shape[0])
    heat = np.asarray(heat, np.float32).reshape(np.shape(heat)[:2])
    heat = Image.fromarray(heat).resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR)
    heat = np.clip(np.asarray(heat), 0, 1)
    colours = matplotlib.colormaps["viridis"](heat)[..., :3] * 255
    weight = opacity * heat[..., None]
    out = image.copy()
    below = image[y0:y1, x0:x1]
    out[y0:y1, x0:x1] = np.rint(weight * colours + (1 - weight) * below).astype(np.uint8)
    return out


def draw_faces(image, faces):
    """Draw a box and a label for each face.

    Args:
        image: uint8 array (H, W, 3).
        faces: list of `(box, score)`: (x0, y0, x1, y1) in pixels, and the score in [0, 1] (above
            0.5: forged) or `None`.

    Returns:
        uint8 array (H, W, 3).
    """
    picture = Image.fromarray(image)
    pen = ImageDraw.Draw(picture)
    short = min(picture.size)
    line = max(1, round(short / 180))
    font = _font(max(9, round(short / 22)))
    labels = []
    for box, score in faces:
        x0, y0, x1, y1 = box
        colour, word = _verdict(score)
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour, width=line)
        if score is not None:
            texts = f"{word} {score:.2f}", f"{score:.2f}"
            fits = font.getlength(texts[0]) < 0.9 * picture.width
            labels.append((x0, y0, colour, texts[0] if fits else texts[1]))
    for x0, y0, colour, text in labels:
        _label(pen, picture.size, (x0, y0), text, colour, font)
    return np.array(picture)


def write_line(image, text):
    """Write a line of text into the lower left corner of a picture; returns the new picture."""
    picture = Image.fromarray(image)
    font = _font(max(9, round(min(picture.size) / 22)))
    _label(ImageDraw.Draw(picture), picture.size, (0, picture.height), text, _UNKNOWN, font)
    return np.array(picture)


def contact_sheet(images, columns, captions=None):
    """Many pictures on one white sheet, row by row.

    Args:
        images: list of uint8 arrays (H, W, 3) or (H, W); smaller ones are centred in their cell.
        columns: pictures a row.
        captions: list of texts to write below the pictures, cut off where they are too long.

    Returns:
        uint8 array (H, W, 3).
    """
    pictures = [Image.fromarray(image).convert("RGB") for image in images]
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    font = _font(max(9, round(width / 14)))
    text_height = 0 if captions is None else sum(font.getmetrics()) + _GAP // 2
    step = width + _GAP, height + text_height + _GAP
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    size = columns * step[0] + _GAP, rows * step[1] + _GAP
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for index, picture in enumerate(pictures):
        x = _GAP + index % columns * step[0]
        y = _GAP + index // columns * step[1]
        sheet.paste(picture, (x + (width - picture.width) // 2, y + (height - picture.height) // 2))
        if captions is not None:
            text = _shortened(captions[index], font, width)
            pen.text((x + width / 2, y + height + 2), text, "black", font, anchor="ma")
    return np.array(sheet)


def example_strip(image, mask, pattern, caption):
    """An example and what it is trained towards, side by side: image, mask, similarity target.

    Args:
        image: uint8 array (S, S, 3).
        mask: array (S, S) of 0 and 1 (forged), or `None` where it is not known; then neither
            `mask` nor `pattern` is drawn.
        pattern: array (k², k²) in [0, 1].
        caption: text to write below, cut off where it is too long.

    Returns:
        uint8 array (H, W, 3), of the same size for any example.
    """
    if mask is None:
        pictures = [_fitted(image), *2 * [_no_mask()]]
    else:
        mask = (np.asarray(mask) * 255).astype(np.uint8)
        pictures = map(_fitted, (image, mask, similarity_picture(pattern, _SIDE_OF_EXAMPLE)))
    font = _font(12)
    width, step = _width_of_strip(), _SIDE_OF_EXAMPLE + _GAP
    strip = Image.new("RGB", (width, step + sum(font.getmetrics())), "white")
    for column, picture in enumerate(pictures):
        offsets = [(_SIDE_OF_EXAMPLE - side) // 2 for side in picture.size]
        strip.paste(picture, (column * step + offsets[0], offsets[1]))
    text = _shortened(caption, font, width)
    ImageDraw.Draw(strip).text((0, _SIDE_OF_EXAMPLE + 2), text, "black", font)
    return np.array(strip)


def strips_sheet(rows):
    """Examples of several kinds on one white sheet, a headed row for each kind.

    Args:
        rows: list of (heading, label, strips): a text, 0 real or 1 forged, and a list of what
            `example_strip` returned.

    Returns:
        uint8 array (H, W, 3).
    """
    columns = max(len(strips) for _, _, strips in rows)
    height = rows[0][2][0].shape[0]
    step = _width_of_strip() + 3 * _GAP
    head, small = _font(17), _font(13)
    line = sum(head.getmetrics()) + _GAP
    size = columns * step + _GAP, 2 * line + len(rows) * (line + height + 2 * _GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for column in range(columns):
        for place, text in enumerate(_COLUMNS):
            x = 2 * _GAP + column * step + place * (_SIDE_OF_EXAMPLE + _GAP)
            pen.text((x + _SIDE_OF_EXAMPLE / 2, _GAP), text, _UNKNOWN, small, anchor="ma")
    y = line
    for heading, label, strips in rows:
        pen.text((2 * _GAP, y), heading, FORGED if label else REAL, head)
        y += line
        for column, strip in enumerate(strips):
            sheet.paste(Image.fromarray(strip), (2 * _GAP + column * step, y))
        y += height + 2 * _GAP
    pen.text((2 * _GAP, y), _LEGEND, _UNKNOWN, small)
    return np.array(sheet)


def similarity_picture(pattern, side=_SIDE_OF_SIMILARITY):
    """A similarity pattern as a picture, one square an entry: dark unlike, bright alike.

    Args:
        pattern: array (k², k²) in [0, 1].
        side: pixels that the picture may have; more are used where there are more entries.
            Defaults to 400.

    Returns:
        uint8 array (H, W, 3), of the same size for the same k.
    """
    pattern = np.clip(np.asarray(pattern, np.float32), 0, 1)
    colours = matplotlib.colormaps["viridis"](pattern, bytes=True)[..., :3]
    scale = max(1, side // len(pattern))
    return colours.repeat(scale, axis=0).repeat(scale, axis=1)


def similarity_figure(pattern, path):
    """Draw a similarity pattern with its legend; lines part the rows of patches of the face.

    Args:
        pattern: array (k², k²) in [0, 1].
        path: PNG file to write.
    """
    count = len(pattern)
    side = round(count**0.5)
    figure, axes = _figure(5.6, 4.6)
    drawn = axes.imshow(pattern, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
    for line in range(side, count, side):
        axes.axhline(line - 0.5, color="white", linewidth=0.8)
        axes.axvline(line - 0.5, color="white", linewidth=0.8)
    places = np.arange(side) * side
    axes.set_xticks(places, places + 1)
    axes.set_yticks(places, places + 1)
    axes.set(xlabel="patch, row by row", ylabel="patch, row by row")
    legend = figure.colorbar(drawn, ax=axes, ticks=[0, 0.5, 1])
    legend.set_label("similarity (0 unlike, 1 alike)")
    _save_figure(figure, path)


def roc_curves(curves, path):
    """Draw receiver operating characteristics, forged as the positive class.

    Args:
        curves: dict of name to `(labels, scores)`: 0 real or 1 forged, and scores; both classes.
        path: PNG file to write.
    """
    figure, axes = _figure(5.4, 5.2)
    axes.plot([0, 1], [0, 1], color="0.75", linewidth=1)
    for index, (name, (labels, scores)) in enumerate(curves.items()):
        false, true, _ = roc_curve(labels, scores)
        axes.plot(
            false,
            true,
            label=f"{name}  AUC {100 * auc(false, true):.1f}%",
            color=_CURVES[index % len(_CURVES)],
            linestyle=_STYLES[index % len(_STYLES)],
            linewidth=2.4 if index == 0 else 1.6,
        )
    axes.plot([0, 1], [1, 0], color="0.6", linewidth=1, linestyle=":", label="equal errors")
    axes.set(
        xlabel="real faces called forged",
        ylabel="forged faces called forged",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
    )
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(color="0.92")
    axes.legend(loc="lower right", framealpha=0.95)
    _save_figure(figure, path)


def score_histogram(labels, scores, path, threshold=0.5):
    """Draw how the scores of real and of forged faces are spread.

    Args:
        labels: 0 real or 1 forged.
        scores: in [0, 1].
        path: PNG file to write.
        threshold: where to draw the line above which a face is called forged. Defaults to 0.5.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    figure, axes = _figure(6.4, 4)
    for label, name, colour, hatch in ((0, "real", REAL, None), (1, "forged", FORGED, "///")):
        chosen = scores[labels == label]
        edge = np.array(colour) / 255
        axes.hist(
            chosen,
            bins=np.linspace(0, 1, 41),
            weights=np.full(len(chosen), 1 / max(len(chosen), 1)),
            histtype="stepfilled",
            label=f"{name} ({len(chosen)})",
            facecolor=(*edge, 0.35),
            edgecolor=edge,
            linewidth=1.4,
            hatch=hatch,
        )
    axes.axvline(threshold, color="0.3", linestyle="--", linewidth=1, label="threshold")
    axes.set(xlabel="score (0 real, 1 forged)", ylabel="share of the class", xlim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.legend(framealpha=0.95)
    _save_figure(figure, path)


def robustness_map(cells, levels, clean, path):
    """Draw what is left of the AUC under degradations as a table of coloured numbers.

    Args:
        cells: dict of name to a row of (AUC in [0, 1], strength in words), one a level.
        levels: names of the columns.
        clean: AUC without degradation.
        path: PNG file to write.
    """
    values = np.array([[auc for auc, _ in row] for row in cells.values()])
    figure, axes = _figure(2 + 1.15 * len(levels), 1.4 + 0.55 * len(cells))
    drawn = axes.imshow(values, cmap="viridis", vmin=0.5, vmax=1, aspect="auto")
    for y, row in enumerate(cells.values()):
        for x, (value, strength) in enumerate(row):
            # Black on the bright half of the colours, white on the dark one.
            colour = "black" if value > 0.8 else "white"
            axes.text(x, y - 0.12, f"{100 * value:.1f}", color=colour, ha="center", va="center")
            axes.text(x, y + 0.26, strength, color=colour, ha="center", va="center", size=7)
    axes.set_xticks(range(len(levels)), [f"level {level}" for level in levels])
    axes.set_yticks(range(len(cells)), cells)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"AUC in %, {100 * clean:.1f} without degradation", size=11)
    legend = figure.colorbar(drawn, ax=axes, extend="min", ticks=np.linspace(0.5, 1, 6))
    legend.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _save_figure(figure, path)


def bars(groups, label, path):
    """Draw horizontal bars with their numbers and, where given, their spread.

    Args:
        groups: dict of a group's name to a dict of a bar's name to (value, least, most), each
            of at least 0; groups have the same bars or some of them.
        label: what the values are.
        path: PNG file to write.
    """
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    figure, axes = _figure(8, 1.2 + 0.36 * len(names) * len(groups))
    height = 0.8 / len(groups)
    for index, (group, found) in enumerate(groups.items()):
        places = [names.index(name) + index * height for name in found]
        values, least, most = np.array(list(found.values())).T
        axes.barh(
            places,
            values,
            height,
            label=group,
            color=_CURVES[index + 1],
            xerr=(values - least, most - values),
            error_kw={"ecolor": "0.25", "elinewidth": 1, "capsize": 2},
        )
        for place, value, end in zip(places, values, most, strict=True):
            number = f"{value:.1f}" if value >= 1 else f"{value:.2g}"
            axes.annotate(number, (end, place), (4, 0), textcoords="offset points", va="center")
    axes.set_yticks(np.arange(len(names)) + height * (len(groups) - 1) / 2, names)
    axes.invert_yaxis()
    axes.set(
        xlabel=label, xlim=(0, 1.12 * max(bar[2] for g in groups.values() for bar in g.values()))
    )
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)
    if len(groups) > 1:
        axes.legend(framealpha=0.95)
    _save_figure(figure, path)


def _fitted(image):
    """A square picture as large as an example may be drawn; small ones by a whole factor."""
    picture = Image.fromarray(image)
    if len(image) > _SIDE_OF_EXAMPLE:
        return picture.resize(2 * (_SIDE_OF_EXAMPLE,), Image.Resampling.BILINEAR)
    side = _SIDE_OF_EXAMPLE // len(image) * len(image)
    return picture.resize((side, side), Image.Resampling.NEAREST)


def _no_mask():
    picture = Image.new("RGB", 2 * (_SIDE_OF_EXAMPLE,), _UNKNOWN)
    middle = 2 * (_SIDE_OF_EXAMPLE / 2,)
    ImageDraw.Draw(picture).text(middle, "no mask known", "white", _font(14), anchor="mm")
    return picture


def _width_of_strip():
    return len(_COLUMNS) * (_SIDE_OF_EXAMPLE + _GAP) - _GAP


def _verdict(score):
    if score is None:
        return _UNKNOWN, ""
    return (FORGED, "forged") if score > 0.5 else (REAL, "real")


def _label(pen, size, corner, text, colour, font):
    """White text on a bar whose lower left is `corner`, moved into the picture."""
    left, top, right, bottom = font.getbbox(text)
    pad = max(2, font.size // 5)
    width, height = right - left + 2 * pad, bottom - top + 2 * pad
    x = min(max(corner[0], 0), max(size[0] - width, 0))
    y = min(max(corner[1] - height, 0), max(size[1] - height, 0))
    pen.rectangle((x, y, x + width - 1, y + height - 1), fill=colour)
    pen.text((x + pad - left, y + pad - top), text, "white", font)


def _shortened(text, font, width):
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


@functools.cache
def _font(size):
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), size)


def _figure(width, height):
    # Without pyplot: no global state, no window system.
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _save_figure(figure, path):
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
