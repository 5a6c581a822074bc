import os

import numpy as np
import pytest
from ffpp_tree import COUNT, video_path, write_splits
from videos import face_frames, faceless_frames, forged, write_video

from lrl_keras.media.faces import FaceDetector, cut
from lrl_keras.media.video import Video
from tfrecords.examples.clip_group import MASK_NOT_DECODED, ClipGroup
from tfrecords.examples.group_parts import GroupSettings
from tfrecords.examples.masks import difference_mask
from tfrecords.sources.faceforensics import find

SETTINGS = GroupSettings(frames_per_video=4, image_size=64, margin=1.3)


def examples(root, **options):
    """(examples, report) of every clip by (method, video)."""
    found = {}
    clips = find(root, **options).clips
    for name in dict.fromkeys(clip.group for clip in clips):
        group = ClipGroup([clip for clip in clips if clip.group == name], root, SETTINGS)
        for job in group.jobs:
            found[job.clip.method, job.clip.video] = group.examples(job)
    return found


@pytest.fixture(scope="module")
def found(tree):
    return examples(tree)


def boxes(examples):
    return {example.frame: example.box for example in examples}


def test_a_fake_is_cropped_as_its_real_video_is(found):
    real, _ = found["real", "000"]
    fake, report = found["Deepfakes", "000_003"]
    assert [example.frame for example in real] == [1, 4, 7, 10]
    assert boxes(fake) == boxes(real)
    for one, other in zip(fake, real, strict=True):
        assert (one.label, one.method, one.has_mask) == (1, "Deepfakes", True)
        assert (other.label, other.method, other.has_mask, other.mask) == (0, "real", True, None)
        np.testing.assert_array_equal(one.mask, difference_mask(one.image, other.image))
        assert 0.03 < one.mask.mean() < 0.4
        assert one.mask[40:].sum() > 0.9 * one.mask.sum()  # the mouth and chin were changed
    assert report.mask_from == "c23"
    assert report.unpaired is None
    assert report.kept == [1, 4, 7, 10]
    assert report.dropped == {}


def test_the_crop_holds_the_face(found):
    for example in found["real", "000"][0]:
        ((face, *_),) = FaceDetector(min_size=20)([example.image])
        x0, y0, x1, y1 = face.box
        assert abs((x0 + x1) / 2 - 32) < 8
        assert abs((y0 + y1) / 2 - 32) < 8


def test_a_shorter_fake_takes_its_frames_from_the_part_that_both_have(found):
    fake, report = found["FaceSwap", "000_003"]
    assert report.frames == COUNT // 2
    assert report.kept == [0, 2, 3, 5]
    assert all(example.has_mask and example.mask.any() for example in fake)


def test_a_longer_fake_takes_its_frames_from_the_part_that_both_have(tmp_path):
    write_splits(tmp_path)
    write_video(video_path(tmp_path, "real", "000"), face_frames(6))
    write_video(video_path(tmp_path, "Deepfakes", "000_003"), forged(face_frames(COUNT)))
    fake, report = examples(tmp_path)["Deepfakes", "000_003"]
    assert report.frames == COUNT
    assert report.kept == [0, 2, 3, 5]
    assert all(example.has_mask and example.mask.any() for example in fake)


def test_a_fake_whose_real_video_is_missing_finds_its_own_face(found):
    fake, report = found["Deepfakes", "003_000"]
    assert len(fake) == 4
    assert not any(example.has_mask for example in fake)
    assert all(example.mask is None and example.label == 1 for example in fake)
    assert "003 is not on disk" in report.unpaired
    assert report.mask_from is None


def test_a_fake_of_another_size_is_unpaired(found):
    fake, report = found["Face2Face", "004_005"]
    assert len(fake) == 4
    assert not any(example.has_mask for example in fake)
    assert "280 x 240 pixels, its real video 320 x 240" in report.unpaired


def test_a_cut_off_fake_gives_what_there_is(found):
    fake, report = found["Face2Face", "001_870"]
    assert 0 < report.frames < COUNT
    assert report.stated_frames == COUNT
    assert 0 < len(fake) == len(report.kept)
    assert max(report.kept) < report.frames


def test_an_empty_file_is_unusable_and_named(found, tree):
    nothing, report = found["FaceSwap", "001_870"]
    assert nothing == []
    assert report.unusable.startswith("manipulated_sequences/FaceSwap/c23/videos/001_870.mp4:")
    assert str(tree) not in report.unusable
    assert report.kept == []


def test_a_video_without_a_face_is_dropped_with_its_fakes(found):
    for name in (("real", "870"), ("Deepfakes", "870_001")):
        nothing, report = found[name]
        assert nothing == []
        assert report.dropped == {"no face": [1, 4, 7, 10]}
        assert report.unusable == "no usable frame"


def write_group(root, compressions=("c23",)):
    write_splits(root)
    for compression in compressions:
        quality = {"crf": {"raw": "1", "c23": "23", "c40": "45"}[compression]}
        real = video_path(root, "real", "000", compression)
        fake = video_path(root, "Deepfakes", "000_003", compression)
        write_video(real, face_frames(COUNT), options=quality)
        write_video(fake, forged(face_frames(COUNT)), options=quality)
    return root


def test_masks_are_taken_from_the_best_version_at_the_same_box(tmp_path):
    write_group(tmp_path, ("raw", "c40"))
    best = examples(tmp_path, compression="c40")
    same = examples(tmp_path, compression="c40", mask_from="same")
    raw = examples(tmp_path, compression="raw")
    key = ("Deepfakes", "000_003")
    assert best[key][1].mask_from == "raw"
    assert same[key][1].mask_from == "c40"
    assert boxes(best[key][0]) == boxes(same[key][0])
    for one, other in zip(best[key][0], same[key][0], strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert (one.mask != other.mask).any()
    frames = [
        dict(Video(video_path(tmp_path, method, video, "raw")).frames([1]))[1]
        for method, video in (key, ("real", "000"))
    ]
    first = best[key][0][0]
    raw_crops = [cut(frame, first.box, 64) for frame in frames]
    np.testing.assert_array_equal(first.mask, difference_mask(*raw_crops))
    assert (first.image != raw_crops[0]).any()
    assert raw[key][1].mask_from == "raw"


def test_a_broken_video_for_the_mask_leaves_the_fake_unpaired(tmp_path):
    write_group(tmp_path, ("raw", "c23"))
    video_path(tmp_path, "Deepfakes", "000_003", "raw").write_bytes(b"nothing")
    fake, report = examples(tmp_path)["Deepfakes", "000_003"]
    assert len(fake) == 4
    assert not any(example.has_mask for example in fake)
    assert "manipulated_sequences/Deepfakes/raw/videos/000_003.mp4" in report.unpaired


def test_a_broken_real_video_is_unusable_and_its_fake_unpaired(tmp_path):
    write_group(tmp_path)
    video_path(tmp_path, "real", "000").write_bytes(os.urandom(5000))
    found = examples(tmp_path)
    assert found["real", "000"][1].unusable
    fake, report = found["Deepfakes", "000_003"]
    assert len(fake) == 4
    assert "original_sequences/youtube/c23/videos/000.mp4" in report.unpaired


def test_frames_that_are_damaged_in_one_video_are_dropped_by_name(tmp_path):
    write_group(tmp_path, ("raw", "c23"))
    raw = video_path(tmp_path, "real", "000", "raw")
    write_video(raw, face_frames(COUNT), options={"g": "1", "crf": "1"}, flags="faststart")
    content = bytearray(raw.read_bytes())
    start = content.index(b"mdat") + len(content) // 2
    content[start:] = bytes(len(content) - start)
    raw.write_bytes(content)
    fake, report = examples(tmp_path)["Deepfakes", "000_003"]
    dropped = report.dropped[MASK_NOT_DECODED]
    assert dropped
    assert sorted(dropped + report.kept) == [1, 4, 7, 10]
    assert [example.frame for example in fake] == report.kept


def test_the_face_may_leave_the_picture(tmp_path):
    write_splits(tmp_path)
    frames = face_frames(COUNT)
    frames[6:] = faceless_frames(6)
    write_video(video_path(tmp_path, "real", "000"), frames)
    real, report = examples(tmp_path)["real", "000"]
    assert report.kept == [1, 4]
    assert report.dropped == {"no face": [7, 10]}
    assert len(real) == 2
