"""Views of a face: cut out where they say, and the landmarks with them."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from lrl_keras.data.blending import ROOM, Face, centred, random_view
from lrl_keras.media.faces import cut

# In the colours of DOTS: eyes, nose and corners of the mouth, as seen in the picture.
LANDMARKS = np.array([(79.5, 81), (120, 84), (99, 105.5), (80, 125), (118, 127)])
COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)])
BOX = (23, 25, 177, 179)
SIZE = 96


def dotted(shape=(200, 200)):
    """A grey picture with a dot of another colour at each landmark."""
    image = np.full((*shape, 3), 110, np.uint8)
    ys, xs = np.mgrid[: shape[0], : shape[1]] + 0.5
    for (x, y), colour in zip(LANDMARKS, COLOURS, strict=True):
        image[np.hypot(xs - x, ys - y) <= 7] = colour
    return image


def dots(image):
    """Places of the five dots, in the order of their colours."""
    for colour in COLOURS:
        near = np.abs(image.astype(int) - colour).max(axis=2) < 80
        y, x = ndimage.center_of_mass(near)
        yield x + 0.5, y + 0.5


def mirror(view):
    """The dots that a mirrored view has at left eye, right eye and so on."""
    x = [x for x, _ in dots(view.image)]
    return x[0] > x[1]


def test_landmarks_lie_on_what_they_lay_on():
    face = Face(dotted(), LANDMARKS, BOX)
    sides, leans, places = set(), [], []
    for seed in range(40):
        view = random_view(face, SIZE, np.random.default_rng(seed))
        assert view.image.shape == (SIZE, SIZE, 3)
        found = np.array(list(dots(view.image)))
        # In a mirror the left eye of the picture is what was the right one.
        order = [1, 0, 2, 4, 3] if mirror(view) else [0, 1, 2, 3, 4]
        np.testing.assert_allclose(view.landmarks, found[order], atol=0.4)
        sides.add(mirror(view))
        right = view.landmarks[1] - view.landmarks[0]
        leans.append(np.degrees(np.arctan2(right[1], right[0])))
        places.append(view.landmarks.mean(axis=0))
    assert sides == {True, False}
    assert max(leans) - min(leans) > 10
    assert np.abs(leans).max() < 8 + 5  # the face itself leans by less than 5 degrees
    assert np.ptp(places, axis=0).min() > 0.05 * SIZE


def test_the_seed_decides():
    face = Face(data.astronaut()[:200, 130:330], LANDMARKS, BOX)
    views = [random_view(face, SIZE, np.random.default_rng(seed)) for seed in range(5)]
    again = [random_view(face, SIZE, np.random.default_rng(seed)) for seed in range(5)]
    for number, (one, other) in enumerate(zip(views, again, strict=True)):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
        assert one.box == other.box
        assert all((one.image != before.image).any() for before in views[:number])


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ((200, 200), BOX),
        ((200, 200), (0, 0, 200, 200)),
        ((200, 200), (0, 0, 154, 154)),
        ((200, 200), (46, 46, 200, 200)),
        ((200, 260), (60, 0, 260, 200)),
        ((180, 160), (0, 10, 160, 170)),
    ],
)
def test_a_view_never_reaches_over_the_border(shape, box):
    # What lies outside would come in as black.
    face = Face(np.full((*shape, 3), 200, np.uint8), LANDMARKS, box)
    boxes = []
    for seed in range(60):
        view = random_view(face, SIZE, np.random.default_rng(seed))
        assert view.image.min() == 200
        x0, y0, x1, y1 = view.box
        assert min(x0, y0) > -1e-6
        assert x1 < shape[1] + 1e-6
        assert y1 < shape[0] + 1e-6
        assert x1 - x0 == pytest.approx(y1 - y0)
        boxes.append(view.box)
    assert len(set(boxes)) > 10


def test_with_room_views_are_larger_and_smaller_than_the_crop():
    side = round(154 * ROOM)
    start = (side - 154) / 2
    face = Face(dotted((side, side)), LANDMARKS, (start, start, start + 154, start + 154))
    boxes = [random_view(face, SIZE, np.random.default_rng(seed)).box for seed in range(80)]
    scales = np.array([x1 - x0 for x0, _, x1, _ in boxes]) / 154
    assert 0.79 < scales.min() < 0.83
    assert 1.08 < scales.max() < 1.13


@pytest.mark.parametrize("size", [64, 96, 154, 230])
def test_the_centred_view_is_the_crop(size):
    image = data.astronaut()[:200, 130:330]
    view = centred(Face(image, LANDMARKS, BOX), size)
    difference = np.abs(view.image.astype(int) - cut(image, BOX, size))
    # At its border the view averages over what lies just outside of the box.
    assert difference[2:-2, 2:-2].max() <= 1
    assert difference.mean() < 0.5
    assert view.box == BOX
    np.testing.assert_allclose(view.landmarks, (LANDMARKS - BOX[:2]) * size / 154)
