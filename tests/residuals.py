"""Co-occurrences of residuals in whole numbers by NumPy, and reference values from public code."""

import json
from pathlib import Path

import numpy as np

REFERENCE = json.loads((Path(__file__).parent / "fixtures" / "baselines_steg.json").read_text())


def reference_image():
    i, j = np.mgrid[:128, :128]
    image = (i * j // 16 + i * i // 40 + (3 * i + 5 * j + i * j % 5) % 6) % 256
    assert image.sum() == 1857257
    return image


def histogram(gray, step, truncation, along_rows):
    """Of the residual along rows of gray in thousandths, (H, W) whole numbers: (2 T + 1)^4 counts.

    Args:
        step: q in thousandths, a whole number.
        truncation: T.
        along_rows: whether its words are read along rows, or along columns.
    """
    residual = np.apply_along_axis(np.convolve, 1, gray, [-1, 3, -3, 1], "valid")[2:-2, 1:]
    # Twice its size in units of 3 q, and one, halved: to the nearest, halves away from zero.
    level = np.sign(residual) * ((2 * np.abs(residual) + 3 * step) // (6 * step))
    level = np.clip(level, -truncation, truncation) + truncation
    level = level if along_rows else level.T
    words = np.lib.stride_tricks.sliding_window_view(level[2:-2], 4, axis=1)[:, :-1].reshape(-1, 4)
    base = 2 * truncation + 1
    numbers = [int("".join(map(str, word[::-1])), base) for word in words]
    return np.bincount(numbers, minlength=base**4)


def histograms(image, step, truncation=1):
    """Histograms (4, (2 T + 1)^4) of an image of whole numbers, (H, W) gray or (H, W, 3) RGB.

    H along rows, V along columns, H along columns, V along rows; `step` is q in thousandths.
    """
    image = np.asarray(image, "int64")
    gray = image @ [299, 587, 114] if image.ndim == 3 else 1000 * image
    both = [
        [histogram(turned, step, truncation, along_rows) for along_rows in (True, False)]
        for turned in (gray, gray.T)
    ]
    return np.array([both[0][0], both[1][0], both[0][1], both[1][1]])


def features(image, step=2000):
    """The 162 features of an image."""
    counts = histograms(image, step)
    own, across = counts[0] + counts[1], counts[2] + counts[3]
    return np.concatenate([own / own.sum(), across / across.sum()])
