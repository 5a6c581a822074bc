"""Which face of several is cropped."""

import pytest
from videos import WIDTH, face_frames, forged, two_faces, write_video

from lrl_keras.media.faces import FaceDetector
from tfrecords.clips import Clip
from tfrecords.examples.clip_group import ClipGroup
from tfrecords.examples.group_parts import GroupSettings

COUNT = 6
SETTINGS = GroupSettings(frames_per_video=2, image_size=64, margin=1.3)
LARGE, SMALL = 0, 1


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Videos of two faces: real ones, and fakes in which one or both were changed."""
    folder = tmp_path_factory.mktemp("faces")
    face, fake = face_frames(COUNT), forged(face_frames(COUNT))
    soon, later = face_frames(COUNT + 15)[15:], face_frames(COUNT + 40)[40:]
    for name, frames in {
        "real": two_faces(face, face),
        "large": two_faces(fake, face),
        "small": two_faces(face, fake),
        "none": two_faces(face, face),
        "another moment": two_faces(soon, forged(later)),
        "whole crop": two_faces(face, forged(later)),
    }.items():
        write_video(folder / f"{name}.mp4", frames, options={"crf": "18"})
    return folder


def clip(name, label=1, unpaired=None):
    return Clip(
        split="train",
        label=label,
        dataset="d",
        method=name if label else "real",
        compression="original",
        video=name,
        path=f"{name}.mp4",
        group="real",
        real="real.mp4" if label and not unpaired else None,
        unpaired=unpaired,
    )


def prepared(root, *clips):
    """(examples, report) of each clip by its name."""
    group = ClipGroup(list(clips), root, SETTINGS)
    return {job.clip.video: group.examples(job) for job in group.jobs}


def chosen(prepared):
    """The face of each clip, told by where its crops lie."""
    faces = {}
    for name, (examples, report) in prepared.items():
        assert len(examples) == SETTINGS.frames_per_video
        assert report.faces == 2
        centres = {(example.box[0] + example.box[2]) / 2 > WIDTH for example in examples}
        assert len(centres) == 1
        faces[name] = SMALL if centres.pop() else LARGE
        assert report.face == faces[name]
    return faces


def test_both_faces_are_found_and_one_is_larger(root):
    faces = FaceDetector()([two_faces(face_frames(1), face_frames(1))[0]])[0]
    assert len(faces) == 2
    assert faces[LARGE].area > 2 * faces[SMALL].area
    assert faces[LARGE].box[2] < WIDTH < faces[SMALL].box[0]


def test_the_changed_face_is_cropped_though_another_is_larger(root):
    found = prepared(root, clip("real", 0), clip("small"))
    assert chosen(found) == {"real": SMALL, "small": SMALL}
    for example, real in zip(found["small"][0], found["real"][0], strict=True):
        assert example.box == real.box
        assert example.has_mask
        assert example.mask.mean() > 0.05


def test_the_order_of_the_clips_does_not_matter(root):
    assert chosen(prepared(root, clip("small"), clip("real", 0))) == {"real": SMALL, "small": SMALL}


def test_the_larger_face_is_cropped_where_that_was_changed(root):
    assert chosen(prepared(root, clip("real", 0), clip("large"))) == {"real": LARGE, "large": LARGE}


def test_each_fake_has_its_own_face(root):
    found = prepared(root, clip("real", 0), clip("large"), clip("small"))
    faces = chosen(found)
    assert (faces["large"], faces["small"]) == (LARGE, SMALL)
    assert all(example.mask.any() for name in ("large", "small") for example in found[name][0])


def test_a_fake_that_differs_nowhere_has_the_face_of_the_others(root):
    found = prepared(root, clip("real", 0), clip("none"), clip("small"))
    assert chosen(found) == {"real": SMALL, "none": SMALL, "small": SMALL}


def test_without_a_fake_that_tells_it_is_the_largest(root):
    assert chosen(prepared(root, clip("real", 0))) == {"real": LARGE}
    found = prepared(root, clip("real", 0), clip("none"))
    assert chosen(found) == {"real": LARGE, "none": LARGE}
    assert not any(example.mask.any() for example in found["none"][0])


def test_a_fake_whose_real_clip_is_in_another_split(root):
    assert chosen(prepared(root, clip("small"))) == {"small": SMALL}


def test_a_fake_of_another_moment_does_not_decide(root):
    found = prepared(root, clip("real", 0), clip("another moment"))
    assert chosen(found) == {"real": LARGE, "another moment": LARGE}
    examples, report = found["another moment"]
    assert "real.mp4: its frames are not those of the fake" in report.unpaired
    assert not any(example.has_mask for example in examples)


def test_a_face_that_was_replaced_with_all_around_it(root):
    found = prepared(root, clip("real", 0), clip("whole crop"))
    assert chosen(found) == {"real": SMALL, "whole crop": SMALL}
    assert all(example.has_mask and example.mask.any() for example in found["whole crop"][0])


def test_crops_of_an_unpaired_fake_are_of_its_largest_face(root):
    found = prepared(root, clip("small", unpaired="its real video is not on disk"))
    assert chosen(found) == {"small": LARGE}
    assert all(example.mask is None for example in found["small"][0])
