import functools
import json

import pytest
from ffpp_tree import SPLITS, UNICODE, video_path, write_splits
from refusals import one_line_error

from tfrecords.clips import MaskPair
from tfrecords.sources.faceforensics import METHODS, find


def touch(root, method, name, compression="c23"):
    path = video_path(root, method, name, compression)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def clips_by_name(root, **options):
    return {(clip.method, clip.video): clip for clip in find(root, **options).clips}


def test_a_pair_gives_two_real_videos_and_two_fakes_of_each_method(tmp_path):
    write_splits(tmp_path)
    for method in METHODS:
        touch(tmp_path, method, "000_003")
        touch(tmp_path, method, "003_000")
    for name in ("000", "003"):
        touch(tmp_path, "real", name)
    listing = find(tmp_path)
    assert [(clip.method, clip.video, clip.label) for clip in listing.clips] == [
        ("real", "000", 0),
        *((method, "000_003", 1) for method in METHODS),
        ("real", "003", 0),
        *((method, "003_000", 1) for method in METHODS),
    ]
    for clip in listing.clips:
        assert (clip.split, clip.dataset, clip.compression) == ("train", "faceforensics", "c23")
        assert clip.group == clip.video[:3]
        if clip.label:
            assert clip.real == f"original_sequences/youtube/c23/videos/{clip.group}.mp4"
            assert clip.path == f"manipulated_sequences/{clip.method}/c23/videos/{clip.video}.mp4"


def test_splits_missing_videos_and_masks(tree):
    listing = find(tree)
    clips = {(clip.split, clip.method, clip.video) for clip in listing.clips}
    assert clips == {
        ("train", "real", "000"),
        ("train", "Deepfakes", "000_003"),
        ("train", "FaceSwap", "000_003"),
        ("train", "Deepfakes", "003_000"),
        ("train", "real", "004"),
        ("train", "Face2Face", "004_005"),
        ("val", "real", "001"),
        ("val", "Face2Face", "001_870"),
        ("val", "FaceSwap", "001_870"),
        ("val", "NeuralTextures", "001_870"),
        ("val", "real", "870"),
        ("val", "Deepfakes", "870_001"),
        ("test", "real", UNICODE),
        ("test", "NeuralTextures", f"{UNICODE}_002"),
    }
    assert not any("masks" in path for clip in listing.clips for path in clip.files)
    for split, pairs in SPLITS.items():
        for method in METHODS:
            assert listing.listed[split, 1, method] == 2 * len(pairs)
        assert listing.listed[split, 0, "real"] == 2 * len(pairs)


def test_a_fake_without_its_real_video_is_unpaired(tree):
    clip = clips_by_name(tree)["Deepfakes", "003_000"]
    assert clip.real is None
    assert clip.group == "003"
    assert "003 is not on disk" in clip.unpaired


def test_raw_may_be_called_c0(tmp_path):
    write_splits(tmp_path)
    touch(tmp_path, "real", "000", "c0")
    touch(tmp_path, "Deepfakes", "000_003", "raw")
    clips = clips_by_name(tmp_path, compression="raw")
    assert clips["real", "000"].path == "original_sequences/youtube/c0/videos/000.mp4"
    assert clips["real", "000"].compression == "raw"
    assert clips["Deepfakes", "000_003"].real == clips["real", "000"].path


def test_masks_come_from_the_least_compressed_version_of_both_videos(tmp_path):
    write_splits(tmp_path)
    for compression in ("c0", "c23", "c40"):
        touch(tmp_path, "real", "000", compression)
    for compression in ("c23", "c40"):
        touch(tmp_path, "FaceSwap", "000_003", compression)
    for compression in ("raw", "c40"):
        touch(tmp_path, "Deepfakes", "000_003", compression)
    clips = clips_by_name(tmp_path, compression="c40")
    fake = "manipulated_sequences/{}/{}/videos/000_003.mp4"
    real = "original_sequences/youtube/{}/videos/000.mp4"
    assert clips["FaceSwap", "000_003"].mask_pair == MaskPair(
        "c23", fake.format("FaceSwap", "c23"), real.format("c23")
    )
    assert clips["Deepfakes", "000_003"].mask_pair == MaskPair(
        "raw", fake.format("Deepfakes", "raw"), real.format("c0")
    )
    same = clips_by_name(tmp_path, compression="c40", mask_from="same")
    assert all(clip.mask_pair is None for clip in same.values())
    own = clips_by_name(tmp_path, compression="c23")["FaceSwap", "000_003"]
    assert own.mask_pair is None


def test_only_the_methods_asked_for(tree):
    listing = find(tree, methods=("FaceSwap",))
    assert {clip.method for clip in listing.clips} == {"real", "FaceSwap"}


fails_with = functools.partial(one_line_error, find)


def test_a_root_of_another_layout_is_refused(tmp_path):
    fails_with(tmp_path / "none", "no such folder")
    (tmp_path / "real").mkdir()
    fails_with(tmp_path, str(tmp_path), "original_sequences/youtube/c23/videos/*.mp4")
    touch(tmp_path, "real", "000")
    fails_with(tmp_path, "splits/train.json", "official lists")


def test_nothing_on_disk_in_this_compression_is_refused(tmp_path):
    write_splits(tmp_path)
    touch(tmp_path, "real", "000")
    fails_with(tmp_path, "none of the 40 videos", "c40", "there is: c23", compression="c40")


@pytest.mark.parametrize(
    "content", ["", "{}", '["000", "003"]', '[["000"]]', "[[0, 3]]", '[["..", "a/b"]]']
)
def test_a_damaged_list_is_refused(tmp_path, content):
    write_splits(tmp_path)
    touch(tmp_path, "real", "000")
    (tmp_path / "splits" / "val.json").write_text(content)
    fails_with(tmp_path, "val.json")


def test_a_video_in_two_splits_is_refused(tmp_path):
    write_splits(tmp_path, {**SPLITS, "test": [["000", "009"]]})
    touch(tmp_path, "real", "000")
    fails_with(tmp_path, "000 is listed a second time", "train.json")


def test_the_real_sample(shared_data):
    root = shared_data / "ffpp"
    listing = find(root)
    assert [(clip.split, clip.method, clip.video) for clip in listing.clips if clip.label] == [
        ("train", "Face2Face", "750_743"),
        ("train", "Deepfakes", "519_515"),
        ("val", "NeuralTextures", "004_982"),
        ("test", "FaceSwap", "634_660"),
    ]
    assert listing.listed["train", 0, "real"] == 720
    assert listing.listed["test", 1, "FaceSwap"] == 140
    assert len(json.loads((root / "splits" / "train.json").read_text())) == 360
