import numpy as np
import pytest
from skimage import data, transform

from lrl_keras.errors import InputError
from lrl_keras.faces import Detector
from tfrecords.blending import region

# The astronaut's eyes, nose and corners of the mouth, marked by eye.
LANDMARKS = np.array([(203, 101), (246, 103), (223, 127), (202, 139), (245, 140)], float)
SHAPE = (300, 400)


def covers(mask, points):
    return [bool(mask[round(y), round(x)]) for x, y in points]


@pytest.mark.parametrize("kind", region.KINDS)
def test_the_region_is_the_face(kind):
    mask = region.fill(region.outline(region.face_axes(LANDMARKS), kind), SHAPE)
    assert all(covers(mask, LANDMARKS))
    brows = [(190, 91), (210, 91), (238, 93), (260, 95)]
    assert sum(covers(mask, brows)) >= 3
    elsewhere = [(224, 60), (160, 100), (290, 100), (224, 190), (170, 160), (285, 160)]
    assert not any(covers(mask, elsewhere))
    chin, forehead = covers(mask, [(226, 159), (222, 76)])
    assert chin == (kind != "inner")
    assert forehead == (kind == "forehead")


def test_the_region_turns_and_grows_with_the_face():
    mask = region.fill(region.outline(region.face_axes(LANDMARKS)), SHAPE)
    for angle, scale, shift in (
        (0.4, 1, (40, -60)),
        (-0.7, 1.3, (-120, 130)),
        (3.1, 0.8, (400, 280)),
    ):
        move = transform.SimilarityTransform(scale=scale, rotation=angle, translation=shift)
        expected = transform.warp(mask, move.inverse, output_shape=SHAPE) > 0.5
        axes = region.face_axes(move(LANDMARKS))
        found = region.fill(region.outline(axes), SHAPE) > 0.5
        assert expected.sum() > 2000
        assert (expected != found).sum() < 0.02 * expected.sum()


def test_of_a_turned_head_the_far_cheek_is_narrower():
    turned = LANDMARKS.copy()
    turned[2, 0] -= 6  # the nose points to the left of the image
    frontal, left = (region.outline(region.face_axes(points)) for points in (LANDMARKS, turned))
    middle = LANDMARKS[:2, 0].mean()
    assert middle - left[:, 0].min() < middle - frontal[:, 0].min() - 5
    assert left[:, 0].max() > frontal[:, 0].max() + 5


def test_random_regions_differ_and_hold_eyes_and_mouth():
    axes = region.face_axes(LANDMARKS)
    areas = set()
    for seed in range(40):
        mask = region.random_region(axes, SHAPE, np.random.default_rng(seed))
        again = region.random_region(axes, SHAPE, np.random.default_rng(seed))
        np.testing.assert_array_equal(mask, again)
        assert mask.shape == SHAPE
        assert all(covers(mask, LANDMARKS))
        areas.add(int(mask.sum()))
    assert len(areas) > 30
    assert max(areas) > 1.5 * min(areas)


def test_a_face_over_the_border_is_cut_off():
    for shift in ((-220, 0), (180, 0), (0, -120), (0, 190), (3000, 0)):
        axes = region.face_axes(LANDMARKS + shift)
        mask = region.random_region(axes, SHAPE, np.random.default_rng(0))
        assert mask.shape == SHAPE
        assert mask.any() == (shift != (3000, 0))


@pytest.mark.parametrize(
    "points",
    [
        [(50, 50)] * 5,
        [(50 + 9 * i, 50) for i in range(5)],
        [(100, 100), (100.1, 100), (101, 110), (100, 120), (100.2, 120)],
        [(246, 103), (203, 101), (223, 127), (245, 140), (202, 139)],  # left and right exchanged
        [(np.nan, 1), (2, 1), (1, 2), (1, 3), (2, 3)],
        [(1, 1), (2, 1)],
    ],
)
def test_points_that_span_no_face_are_refused(points):
    with pytest.raises(InputError, match="landmarks"):
        region.face_axes(points)


def test_portraits(shared_data):
    from lrl_keras.data.images import read_image

    images = [read_image(path) for path in sorted((shared_data / "portraits").glob("*.jpg"))[::29]]
    for image, faces in zip(images, Detector()(images), strict=True):
        axes = region.face_axes(faces[0].landmarks)
        mask = region.fill(region.outline(axes), image.shape[:2])
        x0, y0, x1, y1 = faces[0].box
        inside = mask[y0:y1, x0:x1]
        # The detector's box is about the face; nothing but the two meets in the test.
        assert inside.sum() > 0.85 * mask.sum()
        assert 0.35 < inside.mean() < 0.9


def test_the_detectors_landmarks_serve():
    ((face,),) = Detector()([data.astronaut()])
    expected = region.fill(region.outline(region.face_axes(LANDMARKS)), SHAPE)
    found = region.fill(region.outline(region.face_axes(face.landmarks)), SHAPE)
    assert (expected != found).sum() < 0.1 * expected.sum()
