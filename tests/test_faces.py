import tracemalloc

import numpy as np
import pytest
from PIL import Image
from skimage import data, transform

from lrl_keras.media.faces import Face, FaceDetector, crop_box, cut
from lrl_keras.media.images import read_image
from lrl_keras.media.tracking import persistent_tracks

ASTRONAUT = (178, 62, 270, 178)  # the face in skimage's picture, marked by eye


def overlap(one, other):
    """Intersection over union of two boxes."""
    left, top = np.maximum(one[:2], other[:2])
    right, bottom = np.minimum(one[2:], other[2:])
    both = max(right - left, 0) * max(bottom - top, 0)
    areas = [(x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (one, other)]
    return both / (sum(areas) - both)


def scaled(image, factor):
    size = tuple(round(side * factor) for side in image.shape[1::-1])
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


def test_the_face_of_a_photograph_is_found(detector):
    ((face,),) = detector([data.astronaut()])
    assert overlap(face.box, ASTRONAUT) > 0.6
    assert 0.9 < face.score <= 1
    assert all(type(side) is int for side in face.box)


def test_agrees_with_the_package_itself(detector):
    from mtcnn import MTCNN

    (expected,) = MTCNN().detect_faces([data.astronaut()], box_format="xyxy")
    ((face,),) = detector([data.astronaut()])
    assert overlap(face.box, expected[0]["box"]) > 0.85


def test_landmarks_are_those_of_the_package(detector):
    from mtcnn import MTCNN

    # The package starts its pyramid at another scale and may box the face a little otherwise.
    (expected,) = MTCNN().detect_faces([data.astronaut()])
    ((face,),) = detector([data.astronaut()])
    names = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    expected = [expected[0]["keypoints"][name] for name in names]
    np.testing.assert_allclose(face.landmarks, expected, atol=3)


@pytest.mark.parametrize("factor", [0.5, 1, 3])
def test_landmarks_of_the_astronaut(detector, factor):
    ((face, *_),) = detector([scaled(data.astronaut(), factor)])
    marked = [(203, 101), (246, 103), (223, 127), (202, 139), (245, 140)]  # by eye
    np.testing.assert_allclose(np.divide(face.landmarks, factor), marked, atol=4)
    assert hash(face) == hash(Face(face.box, face.score, face.landmarks))


@pytest.mark.parametrize("factor", [0.25, 0.5, 1, 2, 4.5])
def test_found_at_every_size(detector, factor):
    image = scaled(data.astronaut(), factor)
    ((face, *_),) = detector([image])
    assert overlap(face.box, np.array(ASTRONAUT) * factor) > 0.6


def test_a_batch_without_any_face_and_one_with_few(detector):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    black = np.zeros((200, 300, 3), np.uint8)
    bricks = np.stack([data.brick()[:200, :300]] * 3, axis=-1)
    assert detector([noise, black, bricks]) == [[], [], []]
    assert detector([]) == []
    face = data.astronaut()[:200, 80:380]
    found = detector([noise, black, bricks] * 5 + [face])
    assert found[:15] == [[]] * 15
    assert overlap(found[15][0].box, np.array(ASTRONAUT) - [80, 0, 80, 0]) > 0.6


def test_a_batch_of_unequal_sizes_gives_what_each_image_gives_alone(detector):
    astronaut = data.astronaut()
    wide = np.pad(astronaut, ((0, 0), (300, 300), (0, 0)))
    images = [np.zeros((90, 700, 3), np.uint8), wide, scaled(astronaut, 0.7), astronaut, wide[:300]]
    together = detector(images)
    for image, found in zip(images, together, strict=True):
        (alone,) = detector([image])
        assert [face.box for face in found] == [face.box for face in alone]


@pytest.mark.parametrize("shape", [(1, 1), (5, 400), (11, 11), (12, 12), (31, 31), (40, 33)])
def test_tiny_images_have_no_face(detector, shape):
    assert detector([np.full((*shape, 3), 90, np.uint8)]) == [[]]


def test_boxes_stay_inside_the_image(detector):
    cut_off = data.astronaut()[90:240, 200:330]
    for face in detector([cut_off])[0]:
        x0, y0, x1, y1 = face.box
        assert 0 <= x0 < x1 <= 130
        assert 0 <= y0 < y1 <= 150


def test_the_same_twice(detector):
    images = [data.astronaut()[offset : offset + 300] for offset in range(5)]
    assert detector(images) == FaceDetector()(images)


def test_larger_faces_come_first(detector):
    astronaut = data.astronaut()[:256]
    both = np.concatenate([scaled(astronaut, 0.5), astronaut[:128]], axis=1)
    both = np.concatenate([both, np.zeros((128, both.shape[1], 3), np.uint8)])
    both[:, 256:] = astronaut[:, : both.shape[1] - 256]
    (found,) = detector([both])
    assert len(found) == 2
    assert found[0].area > found[1].area


def test_a_picture_full_of_faces_takes_bounded_memory(detector):
    face = scaled(data.astronaut()[40:200, 150:310], 0.25)
    tracemalloc.start()
    (found,) = detector([np.tile(face, (16, 16, 1))])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) > 100
    assert peak < 400e6


def test_a_smallest_face_outside_the_range_is_refused():
    with pytest.raises(ValueError, match="min_size must be"):
        FaceDetector(min_size=5)


def face(x, y, side, score=0.99):
    return Face((x, y, x + side, y + side), score)


def test_the_largest_face_that_persists_is_followed():
    detections = [[face(100 + 9 * t, 50, 80), face(300, 60 + t, 60)] for t in range(10)]
    detections[4].insert(0, face(350, 200, 150))  # larger, but in one frame only
    detections[6] = detections[6][1:]  # the larger one is missed once
    detections[7] = []
    tracks = persistent_tracks(detections)
    assert [sorted(track) for track in tracks] == [
        [0, 1, 2, 3, 4, 5, 8, 9],
        [0, 1, 2, 3, 4, 5, 6, 8, 9],
    ]
    assert {f.box[2] - f.box[0] for f in tracks[0].values()} == {80}


def test_faces_that_cross_keep_their_size():
    detections = [[face(50 + 20 * t, 50, 60), face(290 - 20 * t, 50, 130)] for t in range(12)]
    large, small = persistent_tracks(detections)
    assert {f.box[2] - f.box[0] for f in large.values()} == {130}
    assert {f.box[2] - f.box[0] for f in small.values()} == {60}
    assert len(large) == len(small) == 12


def test_a_much_smaller_face_at_the_same_place_is_another_one():
    detections = [[face(100, 100, 120)]] * 6 + [[face(130, 130, 50)]] * 6
    large, small = persistent_tracks(detections)
    assert sorted(large) == [0, 1, 2, 3, 4, 5]
    assert sorted(small) == [6, 7, 8, 9, 10, 11]


def test_a_clip_of_several_shots_keeps_the_longest():
    shots = [[face(0, 0, 50)]] * 4 + [[face(400, 0, 90)]] * 5 + [[face(0, 400, 70)]] * 4
    (track,) = persistent_tracks(shots)
    assert sorted(track) == [4, 5, 6, 7, 8]


def test_no_face_no_track():
    assert persistent_tracks([]) == []
    assert persistent_tracks([[], [], []]) == []
    assert [list(track) for track in persistent_tracks([[], [face(1, 1, 9)], []])] == [[1]]


def test_crop_boxes_are_square_and_inside():
    rng = np.random.default_rng(1)
    for _ in range(500):
        height, width = rng.integers(20, 400, 2)
        x0, y0 = rng.integers(0, width - 10), rng.integers(0, height - 10)
        x1, y1 = rng.integers(x0 + 1, width + 1), rng.integers(y0 + 1, height + 1)
        left, top, right, bottom = crop_box((x0, y0, x1, y1), height, width)
        assert right - left == bottom - top > 0
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert right - left == min(round(1.3 * max(x1 - x0, y1 - y0)), height, width)


def test_the_crop_is_about_the_centre_where_there_is_room():
    assert crop_box((100, 100, 200, 180), 500, 500) == (85, 75, 215, 205)
    assert crop_box((100, 100, 200, 200), 500, 500, margin=2) == (50, 50, 250, 250)
    assert crop_box((0, 0, 100, 100), 500, 500) == (0, 0, 130, 130)
    assert crop_box((400, 420, 500, 500), 500, 500) == (370, 370, 500, 500)
    assert crop_box((0, 0, 300, 100), 100, 300) == (100, 0, 200, 100)


def test_cut_is_a_crop_and_a_resize():
    image = data.astronaut()
    np.testing.assert_array_equal(cut(image, (100, 50, 220, 170), 120), image[50:170, 100:220])
    small = cut(image, (0, 0, 512, 512), 128)
    expected = transform.resize_local_mean(image, (128, 128), preserve_range=True, channel_axis=2)
    assert small.shape == (128, 128, 3)
    assert small.dtype == np.uint8
    assert np.abs(small - expected).mean() < 3


def test_portraits(detector, shared_data):
    paths = sorted((shared_data / "portraits").glob("*.jpg"))[::9]
    found = detector([read_image(path) for path in paths])
    assert len(paths) > 40
    assert sum(len(faces) > 0 for faces in found) >= len(paths) - 1
    for faces in found:
        for x0, y0, x1, y1 in (face.box for face in faces[:1]):
            assert abs((x0 + x1) / 2 - 256) < 60
            assert 150 < y1 - y0 < 450
