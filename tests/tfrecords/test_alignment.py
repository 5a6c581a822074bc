"""Pairs whose frames are not the same moments."""

import numpy as np
import pytest
from videos import HEIGHT, WIDTH, cut_off, face_frames, forged, turn_clockwise, write_video

from lrl_keras.media.video import Video
from tfrecords.clips import Clip
from tfrecords.examples.clip_group import ClipGroup
from tfrecords.examples.crops import Crop
from tfrecords.examples.frame_match import MOST_CHANGED, border_changed, fits
from tfrecords.examples.group_parts import GroupSettings

COUNT = 12
SETTINGS = GroupSettings(frames_per_video=4, image_size=64, margin=1.3)
IRREGULAR = [0, 30, 50, 120, 130, 200, 260, 270, 290, 380, 400, 460]  # milliseconds


def crop(box, frame_size=(100, 200)):
    return Crop(np.zeros((32, 32, 3), np.uint8), box, frame_size)


def mask_of(*boxes):
    mask = np.zeros((32, 32), np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = 1
    return mask


def test_the_border_is_a_sixteenth_of_the_side():
    crops = {3: crop((10, 10, 42, 42))}
    assert border_changed({3: mask_of((2, 2, 30, 30))}, crops) == 0
    assert border_changed({3: mask_of((0, 0, 32, 32))}, crops) == 1
    assert border_changed({3: mask_of((0, 0, 32, 2))}, crops) == pytest.approx(64 / 240)


def test_sides_on_the_edge_of_the_picture_are_left_out():
    below = mask_of((2, 16, 30, 32))
    assert border_changed({0: below}, {0: crop((10, 10, 42, 42))}) > 0.2
    assert border_changed({0: below}, {0: crop((10, 68, 42, 100))}) == 0
    everything = {0: mask_of((0, 0, 32, 32))}
    assert border_changed(everything, {0: crop((0, 0, 32, 32), (32, 32))}) == 0


def test_the_mean_over_the_frames_decides():
    crops = {index: crop((10, 10, 42, 42)) for index in range(3)}
    one = {0: mask_of((0, 0, 32, 2)), 1: mask_of(), 2: mask_of()}
    assert border_changed(one, crops) == pytest.approx(64 / 240 / 3)
    assert not fits(one, crops)
    assert fits({1: mask_of(), 2: mask_of()}, crops)
    assert fits({}, crops)
    assert MOST_CHANGED < 64 / 240 / 3


def prepared(root, real="real.mp4", fake="fake.mp4"):
    """(examples, report) of a real clip and of its fake."""
    common = {"split": "train", "dataset": "d", "compression": "original", "group": "real"}
    clips = [
        Clip(label=0, method="real", video="real", path=real, **common),
        Clip(label=1, method="fake", video="fake", path=fake, real=real, **common),
    ]
    group = ClipGroup(clips, root, SETTINGS)
    return [group.examples(job) for job in group.jobs]


def assert_paired(real, fake, frames=(1, 4, 7, 10)):
    assert [example.frame for example in fake] == list(frames)
    assert all(example.has_mask and example.mask.mean() > 0.05 for example in fake)
    boxes = {example.frame: example.box for example in real}
    assert all(example.box == boxes.get(example.frame, example.box) for example in fake)


def test_the_same_frames_are_a_pair(tmp_path):
    write_video(tmp_path / "real.mp4", face_frames(COUNT))
    write_video(tmp_path / "fake.mp4", forged(face_frames(COUNT)), options={"crf": "35"})
    (real, _), (fake, report) = prepared(tmp_path)
    assert_paired(real, fake)
    assert report.unpaired is None


def test_frames_of_another_moment_are_no_pair(tmp_path):
    write_video(tmp_path / "real.mp4", face_frames(COUNT))
    write_video(tmp_path / "fake.mp4", forged(face_frames(COUNT + 30))[30:])
    (real, _), (fake, report) = prepared(tmp_path)
    assert len(real) == len(fake) == 4
    assert not any(example.has_mask for example in fake)
    assert report.unpaired.startswith("real.mp4: its frames are not those of the fake")
    assert report.mask_from is None


def test_a_variable_frame_rate_does_not_move_frames(tmp_path):
    path = write_video(tmp_path / "real.mp4", face_frames(COUNT), times=IRREGULAR)
    clip = Video(path)
    steps = np.diff(clip.times)
    assert steps.max() > 5 * steps.min()
    for index, frame in clip.frames(range(COUNT)):
        distances = [np.abs(frame.astype(int) - other).mean() for other in face_frames(COUNT)]
        assert np.argmin(distances) == index
    write_video(tmp_path / "fake.mp4", forged(face_frames(COUNT)))
    (real, _), (fake, _) = prepared(tmp_path)
    assert_paired(real, fake)


def test_a_frame_rate_that_was_evened_out_is_no_pair(tmp_path):
    shown = face_frames(120)[::10]
    write_video(tmp_path / "real.mp4", shown, times=IRREGULAR)
    starts = np.array(IRREGULAR)
    evened = [shown[np.searchsorted(starts, time, "right") - 1] for time in range(0, 480, 20)]
    write_video(tmp_path / "fake.mp4", evened, rate=50)
    _, (fake, report) = prepared(tmp_path)
    assert "its frames are not those of the fake" in report.unpaired
    assert len(fake) == 4


def test_a_portrait_video_and_its_fake_are_turned_alike(tmp_path):
    upright, fakes = face_frames(COUNT), forged(face_frames(COUNT))
    lying = [np.ascontiguousarray(np.rot90(frame)) for frame in upright]
    assert lying[0].shape[:2] == (WIDTH, HEIGHT)
    turn_clockwise(write_video(tmp_path / "real.mp4", lying), 1)
    write_video(tmp_path / "fake.mp4", fakes)
    (real, _), (fake, _) = prepared(tmp_path)
    assert_paired(real, fake)


def test_a_portrait_video_whose_fake_lost_the_rotation_is_no_pair(tmp_path):
    lying = [np.ascontiguousarray(np.rot90(frame)) for frame in face_frames(COUNT)]
    turn_clockwise(write_video(tmp_path / "real.mp4", lying), 1)
    write_video(tmp_path / "fake.mp4", lying)
    (real, _), (_, report) = prepared(tmp_path)
    assert len(real) == 4
    assert "240 x 320 pixels, its real video 320 x 240" in report.unpaired


def test_a_cut_off_real_video_pairs_as_far_as_it_goes(tmp_path):
    options = {"options": {"g": "4"}, "flags": "faststart"}
    cut_off(write_video(tmp_path / "real.mp4", face_frames(COUNT), **options), 0.8)
    write_video(tmp_path / "fake.mp4", forged(face_frames(COUNT)))
    (real, about_real), (fake, report) = prepared(tmp_path)
    assert about_real.frames < COUNT == about_real.stated_frames
    assert report.frames == COUNT
    assert report.unpaired is None
    assert 0 < len(fake) <= 4
    assert max(report.kept) < about_real.frames
    assert_paired(real, fake, report.kept)
