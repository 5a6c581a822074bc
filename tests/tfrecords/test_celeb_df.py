import pytest
from footage import Records, place, touch
from refusals import one_line_error

from tfrecords.sources.celeb_df import LIST, find

OFFICIAL = (
    "1 YouTube-real/00170.mp4",
    "1 Celeb-real/id1_0007.mp4",
    "0 Celeb-synthesis/id1_id0_0007.mp4",
)


def write_list(root, lines=OFFICIAL, ending="\n"):
    root.mkdir(parents=True, exist_ok=True)
    text = "".join(line + ending for line in lines)
    (root / LIST).write_text(text, encoding="utf-8", newline="")
    return root


def by_name(root, **options):
    return {clip.path: clip for clip in find(root, **options).clips}


def splits(root, **options):
    return {path: clip.split for path, clip in by_name(root, **options).items()}


def test_one_means_real_and_the_list_is_test(tmp_path):
    write_list(tmp_path)
    touch(tmp_path, *(line.split()[1] for line in OFFICIAL))
    touch(tmp_path, "Celeb-real/id2_0001.mp4", "YouTube-real/00001.mp4")
    clips = by_name(tmp_path, val_fraction=0.0)
    assert {path: (clip.split, clip.label, clip.method) for path, clip in clips.items()} == {
        "YouTube-real/00170.mp4": ("test", 0, "YouTube-real"),
        "Celeb-real/id1_0007.mp4": ("test", 0, "Celeb-real"),
        "Celeb-synthesis/id1_id0_0007.mp4": ("test", 1, "Celeb-synthesis"),
        "Celeb-real/id2_0001.mp4": ("train", 0, "Celeb-real"),
        "YouTube-real/00001.mp4": ("train", 0, "YouTube-real"),
    }
    assert {clip.compression for clip in clips.values()} == {"original"}


def test_a_fake_is_made_from_the_video_of_its_first_identity(tmp_path):
    write_list(tmp_path)
    touch(
        tmp_path,
        "Celeb-real/id0_0009.mp4",
        "Celeb-real/id16_0009.mp4",
        "Celeb-synthesis/id0_id16_0009.mp4",
        "Celeb-synthesis/id3_id16_0009.mp4",
        "Celeb-synthesis/other name.mp4",
    )
    clips = by_name(tmp_path)
    fake = clips["Celeb-synthesis/id0_id16_0009.mp4"]
    assert (fake.real, fake.group, fake.unpaired) == ("Celeb-real/id0_0009.mp4", "id0_0009", None)
    assert clips["Celeb-real/id0_0009.mp4"].group == fake.group
    missing = clips["Celeb-synthesis/id3_id16_0009.mp4"]
    assert missing.real is None
    assert "Celeb-real/id3_0009.mp4 is not on disk" in missing.unpaired
    assert "expected a name such as" in clips["Celeb-synthesis/other name.mp4"].unpaired


def test_listed_videos_that_are_not_on_disk_are_counted(tmp_path):
    write_list(tmp_path, [*OFFICIAL, "0 Celeb-synthesis/id9_id0_0001.mp4"])
    touch(tmp_path, "Celeb-real/id1_0007.mp4", "Celeb-real/id2_0000.mp4")
    listing = find(tmp_path, val_fraction=0.0)
    assert listing.listed == {
        ("test", 0, "Celeb-real"): 1,
        ("train", 0, "Celeb-real"): 1,
        ("test", 0, "YouTube-real"): 1,
        ("test", 1, "Celeb-synthesis"): 2,
    }
    assert len(listing.clips) == 2


def test_nested_folders_of_videos_and_other_spellings(tmp_path):
    write_list(tmp_path, OFFICIAL, ending="\r\n")
    touch(
        tmp_path,
        "Celeb-real/videos/id1_0007.mp4",
        "Celeb-synthesis/videos/id1_id0_0007.mp4",
        "Youtube-real/videos/00170.mp4",
        "Youtube-real/videos/._00170.mp4",
        "Youtube-real/frames/00170/1.png",
    )
    clips = by_name(tmp_path)
    assert {clip.split for clip in clips.values()} == {"test"}
    assert set(clips) == {
        "Celeb-real/videos/id1_0007.mp4",
        "Celeb-synthesis/videos/id1_id0_0007.mp4",
        "Youtube-real/videos/00170.mp4",
    }
    fake = clips["Celeb-synthesis/videos/id1_id0_0007.mp4"]
    assert fake.real == "Celeb-real/videos/id1_0007.mp4"


def test_a_list_that_names_the_nested_folder_and_is_written_by_a_windows_editor(tmp_path):
    touch(tmp_path, "Celeb-real/a b.mp4")
    (tmp_path / LIST).write_bytes("\ufeff1 Celeb-real/videos/a b.mp4\r\n\r\n".encode())
    assert splits(tmp_path) == {"Celeb-real/a b.mp4": "test"}


def many(root, identities=20, others=20):
    write_list(root)
    for number in range(identities):
        touch(
            root,
            f"Celeb-real/id{number}_0000.mp4",
            f"Celeb-real/id{number}_0001.mp4",
            f"Celeb-synthesis/id{number}_id{(number + 1) % identities}_0000.mp4",
        )
    return touch(root, *(f"YouTube-real/{number:05d}.mp4" for number in range(others)))


@pytest.mark.parametrize("seed", range(5))
def test_val_holds_whole_identities_of_both_kinds(tmp_path, seed):
    many(tmp_path)
    found = splits(tmp_path, seed=seed)
    held_out = {path for path, split in found.items() if split == "val"}
    identities = {path.split("/")[1].split("_")[0] for path in held_out if "Celeb" in path}
    assert len(identities) == 2
    for identity in identities:
        assert f"Celeb-real/{identity}_0000.mp4" in held_out
        assert f"Celeb-real/{identity}_0001.mp4" in held_out
        assert any(path.startswith(f"Celeb-synthesis/{identity}_") for path in held_out)
    assert sum(path.startswith("YouTube-real") for path in held_out) == 2
    assert set(found.values()) == {"train", "val"}


def test_the_seed_decides_who_is_held_out(tmp_path):
    many(tmp_path)
    assert splits(tmp_path) == splits(tmp_path)
    assert len({tuple(splits(tmp_path, seed=seed).items()) for seed in range(4)}) == 4
    assert "val" not in splits(tmp_path, val_fraction=0.0).values()


def test_what_train_shares_with_test_is_noted(tmp_path):
    write_list(tmp_path)
    touch(
        tmp_path,
        "Celeb-real/id1_0007.mp4",
        "Celeb-synthesis/id1_id0_0007.mp4",
        "Celeb-synthesis/id1_id2_0007.mp4",
        "Celeb-synthesis/id1_id3_0007.mp4",
        "Celeb-real/id2_0000.mp4",
        "Celeb-synthesis/id2_id3_0000.mp4",
    )
    listing = find(tmp_path)
    (note,) = listing.notes
    assert "with a clip of test: 2;" in note
    shared = [clip for clip in listing.clips if clip.group == "id1_0007" and clip.split != "test"]
    assert [clip.video for clip in shared] == ["id1_id2_0007", "id1_id3_0007"]
    assert all(clip.real == "Celeb-real/id1_0007.mp4" for clip in shared)
    write_list(tmp_path, ["1 Celeb-real/id9_0000.mp4"])
    assert find(tmp_path).notes == ()


def fails_with(root, *words):
    one_line_error(find, root, str(root), *words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 YouTube-real/00170.mp4", ("1 for real and 0 for fake", "0 YouTube-real/00170.mp4")),
        ("1 Celeb-synthesis/id0_id1_0000.mp4", ("1 for real and 0 for fake",)),
        ("YouTube-real/00170.mp4", ("expected a line such as '1 YouTube-real/00170.mp4'",)),
        ("2 YouTube-real/00170.mp4", ("expected a line such as",)),
        ("1 YouTube-real", ("expected a line such as",)),
        ("1 Other/00170.mp4", ("expected a line such as",)),
        ("1 YouTube-real/../../secret.mp4", ("expected a line such as",)),
        ("1 YouTube-real/..", ("expected a line such as",)),
        ("1 YouTube-real\\00170.mp4", ("expected a line such as",)),
        ("1 YouTube-real/\0.mp4", ("expected a line such as",)),
    ],
)
def test_a_wrong_line_is_named_by_its_number(tmp_path, line, words):
    touch(tmp_path, "YouTube-real/00170.mp4")
    write_list(tmp_path, [OFFICIAL[1], "", line])
    fails_with(tmp_path, f"{LIST}, line 3: ", *words)


def test_another_layout_is_one_line(tmp_path):
    fails_with(tmp_path / "none", "not Celeb-DF", "Celeb-real, YouTube-real and Celeb-synthesis")
    touch(tmp_path, "videos/id0_0000.mp4")
    fails_with(tmp_path, "not Celeb-DF", LIST)
    touch(tmp_path, "Celeb-real/notes.txt")
    fails_with(tmp_path, f"{LIST}: not found")
    write_list(tmp_path)
    fails_with(tmp_path, "no video in it; expected Celeb-real/*.mp4")
    write_list(tmp_path, [])
    fails_with(tmp_path, LIST, "an empty file")
    (tmp_path / LIST).write_bytes(b"\xff\xfe\x00")
    fails_with(tmp_path, LIST, "cannot be read")


def test_records(footage, tmp_path):
    root = place(
        footage,
        tmp_path / "root",
        {
            "Celeb-real/videos/id1_0007.mp4": "face",
            "Celeb-synthesis/videos/id1_id0_0007.mp4": "fake",
            "Celeb-synthesis/videos/id1_id2_0007.mp4": "short fake",
            "Celeb-real/videos/id2_0001.mp4": "two",
            "Celeb-synthesis/videos/id2_id0_0001.mp4": "two, smaller fake",
            "Celeb-synthesis/videos/id2_id1_0009.mp4": "fake",
            "YouTube-real/videos/00170.mp4": "nobody",
            "YouTube-real/videos/Ünï 中.mp4": "irregular",
            "YouTube-real/videos/00002.mp4": "empty",
        },
    )
    write_list(root, [*OFFICIAL, "0 Celeb-synthesis/id9_id0_0001.mp4"])
    records = Records("celeb-df", root, tmp_path / "records", val_fraction=0.5)
    split = {clip: about["split"] for clip, about in records.clips.items()}
    records.assert_real("test", "Celeb-real", "id1_0007")
    records.assert_paired("test", "Celeb-synthesis", "id1_id0_0007")
    # Its real video is in test, it is not.
    shared = split["Celeb-synthesis", "id1_id2_0007"]
    assert shared in ("train", "val")
    records.assert_paired(shared, "Celeb-synthesis", "id1_id2_0007")
    assert len(records.manifest["notes"]) == 1
    # The smaller face is the changed one.
    two = split["Celeb-real", "id2_0001"]
    assert {two, shared} == {"train", "val"}
    records.assert_real(two, "Celeb-real", "id2_0001")
    records.assert_paired(two, "Celeb-synthesis", "id2_id0_0001")
    for key in (("Celeb-real", "id2_0001"), ("Celeb-synthesis", "id2_id0_0001")):
        assert (records.clips[key]["faces"], records.clips[key]["face"]) == (2, 1)
        assert all(example["box"][0] > 320 for example in records.of(two, *key))
    missing = (two, "Celeb-synthesis", "id2_id1_0009")
    records.assert_unpaired("Celeb-real/id2_0009.mp4 is not on disk", *missing)
    records.assert_real(split["YouTube-real", "Ünï 中"], "YouTube-real", "Ünï 中")
    records.assert_unusable("no usable frame", "test", "YouTube-real", "00170")
    empty = split["YouTube-real", "00002"]
    records.assert_unusable("00002.mp4", empty, "YouTube-real", "00002")
    assert records.counts("test", "fake", "Celeb-synthesis") == (2, 1, 0, 0, 2)
    assert records.counts("test", "real", "YouTube-real") == (1, 0, 1, 0, 0)
    assert records.counts(two, "fake", "Celeb-synthesis") == (2, 0, 0, 1, 4)
