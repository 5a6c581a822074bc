import json

import pytest
from footage import Records, place, touch
from refusals import one_line_error

from tfrecords.sources.dfdc_preview import LIST, find

ORIGINAL = "original_videos/643049/643049_A_001.mp4"
FAKE = "method_A/643049/643049_A/1003254_643049_A_001.mp4"


def real(set_="train", target=643049, **more):
    return {"label": "real", "set": set_, "augmentations": [], "target_id": target, **more}


def fake(set_="train", target=643049, source="643049_A", **more):
    about = {"label": "fake", "set": set_, "augmentations": [], "target_id": target}
    return {**about, "swapped_id": 1003254, "source_video": source, **more}


def write_list(root, entries):
    root.mkdir(parents=True, exist_ok=True)
    (root / LIST).write_text(json.dumps(entries, indent=1), encoding="utf-8")
    return root


def by_path(root, **options):
    return {clip.path: clip for clip in find(root, **options).clips}


def test_entries_become_clips(tmp_path):
    other = "method_B/10/10_B/7_10_B_003.mp4"
    write_list(tmp_path, {ORIGINAL: real(), FAKE: fake(), other: fake("test", 10, "10_B")})
    touch(tmp_path, ORIGINAL, FAKE, other)
    listing = find(tmp_path)
    assert [(clip.split, clip.label, clip.method, clip.path) for clip in listing.clips] == [
        ("test", 1, "method_B", other),
        ("train", 0, "real", ORIGINAL),
        ("train", 1, "method_A", FAKE),
    ]
    assert {(clip.dataset, clip.compression) for clip in listing.clips} == {
        ("dfdc-preview", "original")
    }


def test_a_fake_is_paired_with_the_clip_that_its_name_tells(tmp_path):
    entries = {
        ORIGINAL: real(),
        "original_videos/643049/643049_A_002.mp4": real(),
        "original_videos/643049/643049_B_001.mp4": real(),
        FAKE: fake(),
        "method_B/643049/643049_A/5_643049_A_002.mp4": fake(),
        "method_B/643049/643049_A/5_643049_A_009.mp4": fake(),
        "method_B/643049/643049_B/5_643049_B_001.mp4": fake(source="643049_A"),
        "method_B/643049/643049_B/6_643049_B_001.mp4": fake(source=None),
        "method_B/643049/643049_B/odd.mp4": fake(),
    }
    write_list(tmp_path, entries)
    touch(tmp_path, *entries)
    clips = by_path(tmp_path)
    reals = {path: clip.real for path, clip in clips.items() if clip.label}
    assert reals == {
        FAKE: ORIGINAL,
        "method_B/643049/643049_A/5_643049_A_002.mp4": "original_videos/643049/643049_A_002.mp4",
        "method_B/643049/643049_A/5_643049_A_009.mp4": None,
        "method_B/643049/643049_B/5_643049_B_001.mp4": None,
        "method_B/643049/643049_B/6_643049_B_001.mp4": "original_videos/643049/643049_B_001.mp4",
        "method_B/643049/643049_B/odd.mp4": None,
    }
    assert clips[FAKE].group == clips[ORIGINAL].group == "643049_A_001"
    for path, original in reals.items():
        assert (clips[path].unpaired is None) == (original is not None)
    unpaired = clips["method_B/643049/643049_A/5_643049_A_009.mp4"].unpaired
    assert "names no original clip 643049_A_009.mp4" in unpaired


def test_what_was_augmented_is_not_compared(tmp_path):
    second = "method_B/643049/643049_A/7_643049_A_002.mp4"
    original = "original_videos/643049/643049_A_002.mp4"
    write_list(
        tmp_path,
        {
            ORIGINAL: real(),
            FAKE: fake(augmentations=["low_fps"]),
            original: real(augmentations=["low_res"]),
            second: fake(),
        },
    )
    touch(tmp_path, ORIGINAL, FAKE, original, second)
    clips = by_path(tmp_path)
    assert clips[FAKE].real is None
    assert clips[FAKE].unpaired.endswith("augmented: low_fps")
    assert clips[second].unpaired.endswith("augmented: low_res")
    assert clips[original].unpaired is None


def test_missing_videos_are_counted_and_missing_originals_told(tmp_path):
    write_list(tmp_path, {ORIGINAL: real(), FAKE: fake()})
    touch(tmp_path, FAKE)
    listing = find(tmp_path)
    assert listing.listed == {("train", 0, "real"): 1, ("train", 1, "method_A"): 1}
    (clip,) = listing.clips
    assert clip.unpaired == f"its real video {ORIGINAL} is not on disk"


def test_copies_with_all_videos_of_a_method_in_one_folder(tmp_path):
    write_list(tmp_path, {ORIGINAL: real(), FAKE: fake()})
    paths = "original_videos/videos/643049_A_001.mp4", "method_A/videos/1003254_643049_A_001.mp4"
    touch(tmp_path, *paths)
    clips = by_path(tmp_path)
    assert set(clips) == set(paths)
    assert clips[paths[1]].real == paths[0]


def many(root, identities=20):
    entries = {}
    for number in range(identities):
        for clip in ("A_001", "A_002", "B_001"):
            entries[f"original_videos/{number}/{number}_{clip}.mp4"] = real(target=number)
            path = f"method_A/{number}/{number}_{clip[0]}/99_{number}_{clip}.mp4"
            entries[path] = fake(target=number, source=f"{number}_{clip[0]}")
    entries["original_videos/77/77_A_001.mp4"] = real("test", 77)
    write_list(root, entries)
    return touch(root, *entries)


def test_val_holds_whole_identities_of_the_training_set(tmp_path):
    many(tmp_path)
    clips = by_path(tmp_path).values()
    where = {}
    for clip in clips:
        where.setdefault(clip.path.split("/")[1], set()).add(clip.split)
    assert all(len(splits) == 1 for splits in where.values())
    assert [identity for identity, splits in where.items() if splits == {"test"}] == ["77"]
    assert sum(splits == {"val"} for splits in where.values()) == 2
    seeds = {tuple(clip.split for clip in find(tmp_path, seed=seed).clips) for seed in range(4)}
    assert len(seeds) == 4
    assert {clip.split for clip in find(tmp_path, val_fraction=0.0).clips} == {"train", "test"}


def fails_with(root, *words):
    one_line_error(find, root, str(root), *words)


def test_another_layout_is_one_line(tmp_path):
    fails_with(tmp_path / "none", "dataset.json: not found; expected dataset.json of the DFDC")
    touch(tmp_path, ORIGINAL)
    fails_with(tmp_path, "beside original_videos, method_A and method_B")
    write_list(tmp_path, {FAKE: fake()})
    fails_with(tmp_path, "none of the 1 videos that dataset.json names is there", FAKE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("cannot be read", "line 1 column 1")),
        ('{"a/b.mp4": {"label": "real",\n "set": }}', ("cannot be read", "line 2 column")),
        ("[" * 100_000, ("cannot be read",)),
        ("{}", ("an entry for each video",)),
        ('["a/b.mp4"]', ("an entry for each video",)),
    ],
)
def test_a_damaged_list_is_one_line(tmp_path, text, words):
    (tmp_path / LIST).write_text(text)
    fails_with(tmp_path, LIST, *words)


@pytest.mark.parametrize(
    ("key", "entry", "words"),
    [
        ("../../secret.mp4", real(), ("expected paths such as", "../../secret.mp4")),
        ("/etc/passwd", real(), ("expected paths such as",)),
        ("a//b.mp4", real(), ("expected paths such as",)),
        ("a/\ud800.mp4", real(), ("expected paths such as",)),
        ("a/b\nc.mp4", real(), ("expected paths such as",)),
        ("video.mp4", real(), ("expected paths such as",)),
        (ORIGINAL, "real", (f"expected an object for {ORIGINAL}",)),
        (ORIGINAL, real(label="REAL?"), (ORIGINAL, "label must be real or fake", "'REAL?'")),
        (ORIGINAL, real(label=["real"]), (ORIGINAL, "label must be real or fake")),
        (ORIGINAL, real(set_=None), (ORIGINAL, "set must be train or test")),
        (ORIGINAL, real(augmentations="x"), (ORIGINAL, "augmentations must be a list")),
        (ORIGINAL, real(augmentations=[1]), (ORIGINAL, "augmentations must be a list")),
        ("original_videos/9/643049_A_001.mp4", real(), ("each name once in a folder",)),
    ],
)
def test_a_wrong_entry_is_named(tmp_path, key, entry, words):
    touch(tmp_path, ORIGINAL)
    write_list(tmp_path, {ORIGINAL: real(), key: entry})
    fails_with(tmp_path, LIST, *words)


def test_records(footage, tmp_path):
    videos = {
        ORIGINAL: ("irregular", real()),
        FAKE: ("fake", fake()),
        "method_B/643049/643049_A/5_643049_A_001.mp4": ("later fake", fake()),
        "method_B/643049/643049_A/6_643049_A_001.mp4": ("cut fake", fake()),
        "original_videos/7/7_A_001.mp4": ("two", real(target=7)),
        "method_A/7/7_A/1_7_A_001.mp4": ("two, smaller fake", fake(target=7, source="7_A")),
        "method_A/7/7_A/2_7_A_001.mp4": ("empty", fake(target=7, source="7_A")),
        "original_videos/8/8_A_001.mp4": ("portrait", real("test", 8)),
        "method_A/8/8_A/9 ü_8_A_001.mp4": ("short fake", fake("test", 8, "8_A")),
        "method_B/8/8_A/9_8_A_001.mp4": (
            "fake",
            fake("test", 8, "8_A", augmentations=["low_quality"]),
        ),
        "original_videos/8/8_A_002.mp4": ("nobody", real("test", 8)),
    }
    root = place(footage, tmp_path / "root", {path: kind for path, (kind, _) in videos.items()})
    entries = {path: entry for path, (_, entry) in videos.items()}
    write_list(root, {**entries, "original_videos/8/8_A_003.mp4": real("test", 8)})
    records = Records("dfdc-preview", root, tmp_path / "records", val_fraction=0.5)
    split = {clip: about["split"] for clip, about in records.clips.items()}
    first, two = split["real", "643049_A_001"], split["real", "7_A_001"]
    assert {first, two} == {"train", "val"}
    records.assert_real(first, "real", "643049_A_001")
    records.assert_paired(first, "method_A", "1003254_643049_A_001")
    records.assert_unpaired(
        "its frames are not those of the fake", first, "method_B", "5_643049_A_001"
    )
    records.assert_paired(first, "method_B", "6_643049_A_001")
    cut = records.clips["method_B", "6_643049_A_001"]
    assert cut["frames"] < cut["stated_frames"] == 8
    records.assert_paired(two, "method_A", "1_7_A_001")
    assert all(example["box"][0] > 320 for example in records.of(two, "real", "7_A_001"))
    records.assert_unusable("2_7_A_001.mp4", two, "method_A", "2_7_A_001")
    records.assert_real("test", "real", "8_A_001")
    records.assert_paired("test", "method_A", "9 ü_8_A_001")
    records.assert_unpaired("augmented: low_quality", "test", "method_B", "9_8_A_001")
    records.assert_unusable("no usable frame", "test", "real", "8_A_002")
    assert records.counts("test", "real", "real") == (3, 1, 1, 0, 2)
    assert records.counts("test", "fake", "method_B") == (1, 0, 0, 1, 2)
