"""The manipulated region: where a fake differs from the video it was made from (Sec. 3.3)."""

import numpy as np

THRESHOLD_PERCENT = 15
_BT601 = np.array([299, 587, 114])


def difference_mask(fake, real):
    """Compute the binary mask M of Eq. (8), Sec. 3.3.

    The absolute difference per RGB channel, its BT.601 grayscale, divided by 255, above 0.15.
    Reckoned in whole numbers, so that no rounding moves a pixel over the threshold.

    Both are the crops that the network gets, after the resize to its input: a mask's pixel then
    says whether that pixel of the input differs. At the crop's own resolution the difference is
    of pixels that the network never sees, and compression noise, which the resize averages
    out, would reach the threshold.

    Args:
        fake, real: uint8 arrays (S, S, 3) of the same box of the same frame.

    Returns:
        uint8 array (S, S), 1 forged, 0 real.
    """
    difference = np.abs(fake.astype(np.int64) - real.astype(np.int64))
    # difference @ _BT601 is 1000 times the gray level, of 255.
    return (difference @ _BT601 * 100 > THRESHOLD_PERCENT * 255 * 1000).astype(np.uint8)
