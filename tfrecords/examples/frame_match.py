"""Comparison of a fake's frames with those of the real video that it is said to be made from.

A face is swapped well inside the crop. At the crop's border a fake and its real video differ by
compression alone; frames of two moments, or of two videos, differ there as much as elsewhere.

Measured on three pairs of FaceForensics++ (8 frames, crops of 48 to 299 px, c23 and encoded anew at
crf 40): 0.0 to 0.4 % of the borders differed; with the fake's frames shifted by ten 4 to 11 %, by
25 11 to 20 %.
"""

import numpy as np

from tfrecords.examples.masks import difference_mask

MOST_CHANGED = 0.05

_WIDTH = 1 / 16  # of the border, of the crop's side


def fits(masks, crops):
    """Tell whether frames that differ as `masks` say are the same frames; see `border_changed`."""
    return border_changed(masks, crops) <= MOST_CHANGED


def changes(tracks, fakes, reals):
    """Measure the part of each face's crop that a fake changed.

    Args:
        tracks: for each face, its `tfrecords.examples.crops.Crop` by index of the frame.
        fakes, reals: for each face, its uint8 crops (S, S, 3) by index, of the fake and of the
            real video.

    Returns:
        float array (tracks,), 0 to 1; all 0 where the frames are not the same by any face.
    """
    found, same = np.zeros(len(tracks)), False
    for number, (track, fake, real) in enumerate(zip(tracks, fakes, reals, strict=True)):
        masks = {i: difference_mask(fake[i], real[i]) for i in fake if i in real}
        if masks:
            found[number] = np.mean(list(masks.values()))
            same = same or fits(masks, track)
    return found if same else np.zeros(len(tracks))


def border_changed(masks, crops):
    """Measure the part of the crops' borders that difference masks mark, the mean over the frames.

    A crop that was shifted into the frame may have the face at its border, so the sides that
    lie on the frame's edge are left out.

    Args:
        masks: dict from index to uint8 array (S, S) of 0 and 1.
        crops: dict from index to `tfrecords.examples.crops.Crop`, those that the masks are of.

    Returns:
        0 to 1; 0 where there is no border inside the frame.
    """
    borders = [mask[_border(crops[index], mask.shape)] for index, mask in masks.items()]
    parts = [border.mean() for border in borders if border.size]
    return float(np.mean(parts)) if parts else 0.0


def _border(crop, shape):
    """Mark, in a bool array of `shape`, the sides of a crop that do not lie on the frame's edge."""
    width = max(round(_WIDTH * shape[0]), 1)
    (x0, y0, x1, y1), (height, width_of_frame) = crop.box, crop.frame_size
    border = np.zeros(shape, bool)
    border[:, :width] |= x0 > 0
    border[:, -width:] |= x1 < width_of_frame
    border[:width] |= y0 > 0
    border[-width:] |= y1 < height
    return border
