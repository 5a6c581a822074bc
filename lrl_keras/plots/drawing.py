"""Drawing on images: heat maps, boxes and labels, sheets of images and of examples.

Colours are those of Okabe and Ito and Matplotlib's viridis, for any kind of colour vision.
"""

import functools
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lrl_keras.system.files import replacing

REAL = (0, 114, 178)
FORGED = (213, 94, 0)
_UNKNOWN = (90, 90, 90)

_SIDE_OF_SIMILARITY = 400
_SIDE_OF_EXAMPLE = 150
_GAP = 8
_COLUMNS = ("image", "mask", "similarity target")
_WIDTH_OF_STRIP = len(_COLUMNS) * (_SIDE_OF_EXAMPLE + _GAP) - _GAP
_LEGEND = "mask: forged is white     similarity target: alike is bright, unlike is dark"


def save_png(image, path):
    """Write a uint8 array (H, W, 3) as a PNG, by rename, so that it is never there in part."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="PNG")


def heat_map(image, heat, box=None, opacity=0.7):
    """Lay a heat map over an image; the cooler a place, the more of the image shows.

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
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas)
    short = min(canvas.size)
    line = max(1, round(short / 180))
    font = _font(max(9, round(short / 22)))
    labels = []
    for box, score in faces:
        x0, y0, x1, y1 = box
        colour, word = _verdict(score)
        pen.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colour, width=line)
        if score is not None:
            texts = f"{word} {score:.2f}", f"{score:.2f}"
            fits = font.getlength(texts[0]) < 0.9 * canvas.width
            labels.append((x0, y0, colour, texts[0] if fits else texts[1]))
    for x0, y0, colour, text in labels:
        _label(pen, canvas.size, (x0, y0), text, colour, font)
    return np.array(canvas)


def write_line(image, text):
    """Write a line of text into the lower left corner of a copy of an image."""
    canvas = Image.fromarray(image)
    font = _font(max(9, round(min(canvas.size) / 22)))
    _label(ImageDraw.Draw(canvas), canvas.size, (0, canvas.height), text, _UNKNOWN, font)
    return np.array(canvas)


def contact_sheet(images, columns, captions=None):
    """Arrange images on one white sheet, row by row.

    Args:
        images: list of uint8 arrays (H, W, 3) or (H, W); smaller ones are centred in their cell.
        columns: images a row.
        captions: list of texts to write below the images, cut off where they are too long.

    Returns:
        uint8 array (H, W, 3).
    """
    images = [Image.fromarray(image).convert("RGB") for image in images]
    width = max(image.width for image in images)
    height = max(image.height for image in images)
    font = _font(max(9, round(width / 14)))
    text_height = 0 if captions is None else sum(font.getmetrics()) + _GAP // 2
    step = width + _GAP, height + text_height + _GAP
    rows = -(-len(images) // columns)
    columns = min(columns, len(images))
    size = columns * step[0] + _GAP, rows * step[1] + _GAP
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for index, image in enumerate(images):
        x = _GAP + index % columns * step[0]
        y = _GAP + index // columns * step[1]
        sheet.paste(image, (x + (width - image.width) // 2, y + (height - image.height) // 2))
        if captions is not None:
            text = _shortened(captions[index], font, width)
            pen.text((x + width / 2, y + height + 2), text, "black", font, anchor="ma")
    return np.array(sheet)


def example_strip(image, mask, pattern, caption):
    """Arrange image, mask and similarity target of an example side by side.

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
        images = [_fitted(image), *2 * [_no_mask()]]
    else:
        mask = (np.asarray(mask) * 255).astype(np.uint8)
        shown = (image, mask, similarity_image(pattern, _SIDE_OF_EXAMPLE))
        images = [_fitted(each) for each in shown]
    font = _font(12)
    width, step = _WIDTH_OF_STRIP, _SIDE_OF_EXAMPLE + _GAP
    strip = Image.new("RGB", (width, step + sum(font.getmetrics())), "white")
    for column, part in enumerate(images):
        offsets = [(_SIDE_OF_EXAMPLE - side) // 2 for side in part.size]
        strip.paste(part, (column * step + offsets[0], offsets[1]))
    text = _shortened(caption, font, width)
    ImageDraw.Draw(strip).text((0, _SIDE_OF_EXAMPLE + 2), text, "black", font)
    return np.array(strip)


def strips_sheet(rows):
    """Arrange examples of several kinds on one white sheet, a row with a heading for each kind.

    Args:
        rows: list of (heading, label, strips): a text, 0 real or 1 forged, and a list of results
            of `example_strip`.

    Returns:
        uint8 array (H, W, 3).
    """
    columns = max(len(strips) for _, _, strips in rows)
    height = rows[0][2][0].shape[0]
    step = _WIDTH_OF_STRIP + 3 * _GAP
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


def similarity_image(pattern, side=_SIDE_OF_SIMILARITY):
    """Draw a similarity pattern, one square an entry: dark unlike, bright alike.

    Args:
        pattern: array (k², k²) in [0, 1].
        side: most pixels of a side, where there are not more entries. Defaults to 400.

    Returns:
        uint8 array (H, W, 3), of the same size for the same k.
    """
    pattern = np.clip(np.asarray(pattern, np.float32), 0, 1)
    colours = matplotlib.colormaps["viridis"](pattern, bytes=True)[..., :3]
    scale = max(1, side // len(pattern))
    return colours.repeat(scale, axis=0).repeat(scale, axis=1)


def _fitted(image):
    """Resize a square image to the space for an example, a small one by a whole factor."""
    image = Image.fromarray(image)
    if image.height > _SIDE_OF_EXAMPLE:
        return image.resize(2 * (_SIDE_OF_EXAMPLE,), Image.Resampling.BILINEAR)
    side = _SIDE_OF_EXAMPLE // image.height * image.height
    return image.resize((side, side), Image.Resampling.NEAREST)


def _no_mask():
    empty = Image.new("RGB", 2 * (_SIDE_OF_EXAMPLE,), _UNKNOWN)
    middle = 2 * (_SIDE_OF_EXAMPLE / 2,)
    ImageDraw.Draw(empty).text(middle, "no mask known", "white", _font(14), anchor="mm")
    return empty


def _verdict(score):
    if score is None:
        return _UNKNOWN, ""
    return (FORGED, "forged") if score > 0.5 else (REAL, "real")


def _label(pen, size, corner, text, colour, font):
    """Draw white text on a bar whose lower left is `corner`, moved into the image."""
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
