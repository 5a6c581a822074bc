import pytest
from footage import Records, place, touch

from lrl_keras.errors import InputError
from tfrecords.clips import MaskPair
from tfrecords.sources.dfd import find

ACTORS = "original_sequences/actors/{}/videos/{}.mp4"
FAKES = "manipulated_sequences/DeepFakeDetection/{}/videos/{}.mp4"


def real(name, compression="c23"):
    return ACTORS.format(compression, name)


def fake(name, compression="c23"):
    return FAKES.format(compression, name)


def clips_by_name(root, **options):
    return {clip.video: clip for clip in find(root, **options).clips}


def test_everything_is_test_and_fakes_follow_their_real_video(tmp_path):
    touch(
        tmp_path,
        real("01__exit_phone_room"),
        real("01__kitchen_pan"),
        real("02__exit_phone_room"),
        fake("01_02__exit_phone_room__YVGY8LOK"),
        fake("01_03__exit_phone_room__ABCDEFGH"),
        fake("02_01__exit_phone_room__00000000"),
    )
    listing = find(tmp_path)
    assert [(clip.method, clip.video, clip.label, clip.group) for clip in listing.clips] == [
        ("real", "01__exit_phone_room", 0, "01__exit_phone_room"),
        ("DeepFakeDetection", "01_02__exit_phone_room__YVGY8LOK", 1, "01__exit_phone_room"),
        ("DeepFakeDetection", "01_03__exit_phone_room__ABCDEFGH", 1, "01__exit_phone_room"),
        ("real", "01__kitchen_pan", 0, "01__kitchen_pan"),
        ("real", "02__exit_phone_room", 0, "02__exit_phone_room"),
        ("DeepFakeDetection", "02_01__exit_phone_room__00000000", 1, "02__exit_phone_room"),
    ]
    for clip in listing.clips:
        assert (clip.split, clip.dataset, clip.compression) == ("test", "dfd", "c23")
        assert clip.real == (real(clip.group) if clip.label else None)
        assert clip.unpaired is None
    assert listing.listed == {("test", 0, "real"): 3, ("test", 1, "DeepFakeDetection"): 3}


def test_missing_originals_and_other_names(tmp_path):
    touch(tmp_path, fake("05_06__hugging_happy__AAAAAAAA"), fake("something else"))
    clips = clips_by_name(tmp_path)
    missing = clips["05_06__hugging_happy__AAAAAAAA"]
    assert (missing.real, missing.group) == (None, "05__hugging_happy")
    assert "05__hugging_happy is not on disk" in missing.unpaired
    other = clips["something else"]
    assert (other.real, other.group) == (None, "something else")
    assert "expected target_source__scene__code" in other.unpaired


def test_scenes_with_spaces_underlines_and_letters_outside_ascii(tmp_path):
    touch(tmp_path, real("7__café im_Park__2"), fake("7_8__café im_Park__2__X"))
    assert clips_by_name(tmp_path)["7_8__café im_Park__2__X"].real == real("7__café im_Park__2")


def test_the_rest_of_faceforensics_and_masks_are_not_read(tmp_path):
    touch(
        tmp_path,
        real("01__kitchen_pan"),
        "original_sequences/youtube/c23/videos/000.mp4",
        "manipulated_sequences/Deepfakes/c23/videos/000_003.mp4",
        "manipulated_sequences/DeepFakeDetection/masks/videos/01_02__kitchen_pan__YVGY8LOK.mp4",
        "original_sequences/actors/c23/videos/._01__kitchen_pan.mp4",
        "original_sequences/actors/c23/videos/notes.txt",
    )
    assert list(clips_by_name(tmp_path)) == ["01__kitchen_pan"]


def test_masks_come_from_the_least_compressed_version_of_both_videos(tmp_path):
    name = "01_02__kitchen_pan__YVGY8LOK"
    touch(tmp_path, real("01__kitchen_pan", "c40"), fake(name, "c40"))
    touch(tmp_path, real("01__kitchen_pan", "c0"), fake(name, "raw"), real("01__kitchen_pan"))
    best = clips_by_name(tmp_path, compression="c40")[name]
    assert best.mask_pair == MaskPair("raw", fake(name, "raw"), real("01__kitchen_pan", "c0"))
    assert clips_by_name(tmp_path, compression="c40", mask_from="same")[name].mask_pair is None


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        ((), "not DeepFakeDetection; expected original_sequences/actors/c23/videos/*.mp4"),
        (("videos/01__kitchen_pan.mp4",), "manipulated_sequences/DeepFakeDetection/c23/videos"),
        ((real("01__kitchen_pan", "c40"),), "no video in compression c23; expected"),
        ((real("01__kitchen_pan", "c40"),), "(there is: c40)"),
        (("original_sequences/youtube/c23/videos/000.mp4",), "(there is: no video at all)"),
    ],
)
def test_another_layout_is_one_line(tmp_path, paths, words):
    touch(tmp_path, *paths)
    with pytest.raises(InputError) as error:
        find(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_no_root_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such folder; give the root of DeepFakeDetection"):
        find(tmp_path / "none")


def test_records(footage, tmp_path):
    root = place(
        footage,
        tmp_path / "root",
        {
            real("01__exit phone_räum"): "face",
            fake("01_02__exit phone_räum__AAAAAAAA"): "fake",
            fake("01_03__exit phone_räum__BBBBBBBB"): "short fake",
            fake("01_04__exit phone_räum__CCCCCCCC"): "later fake",
            real("02__kitchen_pan"): "portrait",
            fake("02_01__kitchen_pan__DDDDDDDD"): "fake",
            fake("03_01__kitchen_pan__EEEEEEEE"): "fake",
            real("04__kitchen_pan"): "nobody",
            fake("04_01__kitchen_pan__FFFFFFFF"): "nobody",
            fake("04_02__kitchen_pan__GGGGGGGG"): "empty",
        },
    )
    records = Records("dfd", root, tmp_path / "records")
    method = "DeepFakeDetection"
    for name in ("01__exit phone_räum", "02__kitchen_pan"):
        records.assert_real("test", "real", name)
    records.assert_paired("test", method, "01_02__exit phone_räum__AAAAAAAA")
    records.assert_paired("test", method, "01_03__exit phone_räum__BBBBBBBB")
    records.assert_paired("test", method, "02_01__kitchen_pan__DDDDDDDD")
    short = records.clips[method, "01_03__exit phone_räum__BBBBBBBB"]
    assert (short["frames"], short["kept"]) == (4, [1, 3])
    later = ("test", method, "01_04__exit phone_räum__CCCCCCCC")
    records.assert_unpaired("its frames are not those of the fake", *later)
    missing = ("test", method, "03_01__kitchen_pan__EEEEEEEE")
    records.assert_unpaired("03__kitchen_pan is not on disk", *missing)
    records.assert_unusable("no usable frame", "test", "real", "04__kitchen_pan")
    records.assert_unusable("no usable", "test", method, "04_01__kitchen_pan__FFFFFFFF")
    records.assert_unusable("GGGGGGGG.mp4", "test", method, "04_02__kitchen_pan__GGGGGGGG")
    assert records.counts("test", "real", "real") == (3, 0, 1, 0, 4)
    assert records.counts("test", "fake", method) == (7, 0, 2, 2, 10)
