"""Whether a fake's frames are those of the real video that it is said to be made from.

A face is swapped well inside the crop. At the crop's border a fake and its real video differ by
compression alone; frames of two moments, or of two videos, differ there as much as elsewhere.

Measured on three pairs of FaceForensics++ (8 frames, crops of 48 to 299 px, c23 and encoded anew at
crf 40): 0.0 to 0.4 % of the borders differed; with the fake's frames shifted by ten 4 to 11 %, by
25 11 to 20 %.
"""

import numpy as np

MOST_CHANGED = 0.05

_WIDTH = 1 / 16  # of the border, of the crop's side


def fits(masks, crops):
    """Whether frames that differ as `masks` say are the same frames; see `border_changed`."""
    return border_changed(masks, crops) <= MOST_CHANGED


def border_changed(masks, crops):
    """Part of the crops' borders that difference masks mark, the mean over the frames.

    A crop that was shifted into the picture may have the face at its border, so the sides that
    lie on the picture's edge are left out.

    Args:
        masks: dict from index to uint8 array (S, S) of 0 and 1.
        crops: dict from index to `tfrecords.examples.crops.Crop`, those that the masks are of.

    Returns:
        0 to 1; 0 where there is no border inside the picture.
    """
    borders = [mask[_border(crops[index], mask.shape)] for index, mask in masks.items()]
    parts = [border.mean() for border in borders if border.size]
    return float(np.mean(parts)) if parts else 0.0


def _border(crop, shape):
    """bool array of `shape`: the sides of a crop that do not lie on the picture's edge."""
    width = max(round(_WIDTH * shape[0]), 1)
    (x0, y0, x1, y1), (height, width_of_frame) = crop.box, crop.frame_size
    border = np.zeros(shape, bool)
    border[:, :width] |= x0 > 0
    border[:, -width:] |= x1 < width_of_frame
    border[:width] |= y0 > 0
    border[-width:] |= y1 < height
    return border
