import numpy as np
import pytest
from scipy import ndimage
from skimage import data, draw, transform

from lrl_keras.data.blending import region
from lrl_keras.errors import InputError
from lrl_keras.media.faces import FaceDetector

# The astronaut's eyes, nose and corners of the mouth, marked by eye.
LANDMARKS = np.array([(203, 101), (246, 103), (223, 127), (202, 139), (245, 140)], float)
SHAPE = (300, 400)


def covers(mask, points):
    return [bool(mask[round(y), round(x)]) for x, y in points]


BROWS = [(190, 91), (210, 91), (238, 93), (260, 95)]
NOSTRILS, CHIN, FOREHEAD = [(220, 129), (228, 129)], (226, 159), (222, 76)
# Points that a region of the kind holds, and those that it does not.
PARTS = {
    "face": ([*LANDMARKS, CHIN], [FOREHEAD]),
    "forehead": ([*LANDMARKS, CHIN, FOREHEAD], []),
    "inner": ([*LANDMARKS], [CHIN, FOREHEAD]),
    "lower": ([*NOSTRILS, *LANDMARKS[3:], CHIN], [*BROWS, *LANDMARKS[:2], FOREHEAD]),
    "mouth": (LANDMARKS[3:], [*BROWS, *LANDMARKS[:2], CHIN, FOREHEAD]),
}
ELSEWHERE = [(224, 55), (160, 100), (290, 100), (224, 190), (165, 165), (290, 165)]


@pytest.mark.parametrize("kind", PARTS)
def test_a_region_holds_the_parts_of_its_kind(kind):
    mask = region.fill(region.outline(region.face_axes(LANDMARKS), kind), SHAPE)
    within, outside = PARTS[kind]
    assert all(covers(mask, within))
    assert not any(covers(mask, [*outside, *ELSEWHERE]))


def random_regions(count, **kinds):
    axes = region.face_axes(LANDMARKS)
    kinds = kinds or region.KINDS
    return [
        region.random_region(axes, SHAPE, np.random.default_rng(seed), kinds)
        for seed in range(count)
    ]


def test_there_are_regions_of_every_kind():
    assert set(region.KINDS) == set(PARTS)
    # Without the faces' own outlines what is left does not hold all of the landmarks.
    whole = [all(covers(mask, LANDMARKS)) for mask in random_regions(200)]
    kinds = ("face", "forehead", "inner")
    expected = sum(region.KINDS[kind] for kind in kinds) / sum(region.KINDS.values())
    assert abs(np.mean(whole) - expected) < 0.1  # three standard deviations


@pytest.mark.parametrize("kind", PARTS)
def test_the_outline_turns_and_grows_with_the_face(kind):
    points = region.outline(region.face_axes(LANDMARKS), kind)
    for angle, scale, shift in (
        (0.4, 1, (40, -60)),
        (-0.7, 1.3, (-120, 130)),
        (3.1, 0.8, (400, 280)),
    ):
        move = transform.SimilarityTransform(scale=scale, rotation=angle, translation=shift)
        found = region.outline(region.face_axes(move(LANDMARKS)), kind)
        np.testing.assert_allclose(found, move(points), atol=1e-6)


@pytest.mark.parametrize("kind", PARTS)
def test_a_filled_outline_is_the_polygon_but_for_its_border(kind):
    points = region.outline(region.face_axes(LANDMARKS + np.array([160, 0])), kind)
    found = region.fill(points, SHAPE)
    expected = draw.polygon2mask(SHAPE, points[:, ::-1])
    assert found[ndimage.binary_erosion(expected, np.ones((3, 3)))].all()
    # Pillow rounds outwards and draws the border too.
    assert not found[~ndimage.binary_dilation(expected, np.ones((3, 3)), iterations=2)].any()


def test_of_a_turned_head_the_far_cheek_is_narrower():
    turned = LANDMARKS.copy()
    turned[2, 0] -= 6  # the nose points to the left of the image
    frontal, left = (region.outline(region.face_axes(points)) for points in (LANDMARKS, turned))
    middle = LANDMARKS[:2, 0].mean()
    assert middle - left[:, 0].min() < middle - frontal[:, 0].min() - 5
    assert left[:, 0].max() > frontal[:, 0].max() + 5


@pytest.mark.parametrize("kind", region.KINDS)
def test_random_regions_differ_and_follow_from_the_seed(kind):
    masks = random_regions(30, **{kind: 1})
    for mask, again in zip(masks, random_regions(30, **{kind: 1}), strict=True):
        np.testing.assert_array_equal(mask, again)
        assert mask.shape == SHAPE
        assert set(np.unique(mask)) == {0, 1}
        assert not any(covers(mask, ELSEWHERE))
    areas = [int(mask.sum()) for mask in masks]
    assert len(set(areas)) > 25
    assert max(areas) > 1.15 * min(areas)


def test_a_face_over_the_border_is_cut_off():
    for shift in ((-220, 0), (180, 0), (0, -120), (0, 190), (3000, 0)):
        axes = region.face_axes(LANDMARKS + shift)
        mask = region.random_region(axes, SHAPE, np.random.default_rng(0), {"face": 1})
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
    from lrl_keras.media.images import read_image

    images = [read_image(path) for path in sorted((shared_data / "portraits").glob("*.jpg"))[::29]]
    for image, faces in zip(images, FaceDetector()(images), strict=True):
        axes = region.face_axes(faces[0].landmarks)
        mask = region.fill(region.outline(axes), image.shape[:2])
        x0, y0, x1, y1 = faces[0].box
        inside = mask[y0:y1, x0:x1]
        # The detector's box is about the face; nothing but the two meets in the test.
        assert inside.sum() > 0.85 * mask.sum()
        assert 0.35 < inside.mean() < 0.9


def test_the_detectors_landmarks_serve():
    ((face,),) = FaceDetector()([data.astronaut()])
    expected = region.fill(region.outline(region.face_axes(LANDMARKS)), SHAPE)
    found = region.fill(region.outline(region.face_axes(face.landmarks)), SHAPE)
    assert (expected != found).sum() < 0.1 * expected.sum()
