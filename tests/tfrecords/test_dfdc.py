import json

import pytest
from footage import Records, place, touch
from refusals import one_line_error

from tfrecords.sources.dfdc import LABELS, METADATA, find

REAL = {"label": "REAL", "split": "train"}


def fake(original=None):
    return {"label": "FAKE", "split": "train", "original": original}


def write_part(root, entries, folder="dfdc_train_part_0", on_disk=None):
    """A part with all its videos, or with those of `on_disk`, as empty files."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / METADATA).write_text(json.dumps(entries, indent=1), encoding="utf-8")
    touch(root / folder, *(entries if on_disk is None else on_disk))
    return root


def write_set(root, rows, folder="test", on_disk=None):
    """A set with labels.csv; `rows`: name to label."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    lines = ["filename,label", *(f"{name},{label}" for name, label in rows.items())]
    (root / folder / LABELS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    touch(root / folder, *(rows if on_disk is None else on_disk))
    return root


def by_path(root, **options):
    return {clip.path: clip for clip in find(root, **options).clips}


def splits(root, **options):
    return {clip.video: clip.split for clip in find(root, **options).clips}


def test_originals_are_found_in_other_parts(tmp_path):
    write_part(tmp_path, {"a.mp4": fake("r.mp4"), "b.mp4": fake("gone.mp4"), "c.mp4": fake()})
    write_part(tmp_path, {"r.mp4": REAL}, "dfdc_train_part_1")
    listing = find(tmp_path, val_fraction=0.0)
    clips = {clip.video: clip for clip in listing.clips}
    assert clips["a"].real == "dfdc_train_part_1/r.mp4"
    assert clips["a"].group == clips["r"].group == "r"
    assert clips["b"].real is None
    assert "gone.mp4 is not on disk" in clips["b"].unpaired
    assert clips["b"].group == "gone"
    assert "does not say which real video" in clips["c"].unpaired
    assert [(clip.label, clip.method, clip.split) for clip in (clips["r"], clips["a"])] == [
        (0, "real", "train"),
        (1, "DFDC", "train"),
    ]
    assert {(clip.dataset, clip.compression) for clip in listing.clips} == {("dfdc", "original")}


def test_parts_lie_anywhere_below_the_root(tmp_path):
    write_part(tmp_path, {"a.mp4": REAL}, "")
    write_part(tmp_path, {"b.mp4": REAL}, "dfdc_train_part_00/dfdc_train_part_0")
    write_part(tmp_path, {"c.mp4": REAL}, "dfdc/train/dfdc_train_part_01/dfdc_train_part_1")
    write_part(tmp_path, {"d.mp4": REAL}, "train_sample_videos")
    assert set(by_path(tmp_path)) == {
        "a.mp4",
        "dfdc_train_part_00/dfdc_train_part_0/b.mp4",
        "dfdc/train/dfdc_train_part_01/dfdc_train_part_1/c.mp4",
        "train_sample_videos/d.mp4",
    }


def test_videos_may_lie_below_their_list(tmp_path):
    write_part(tmp_path, {"a.mp4": REAL}, "part", on_disk=())
    touch(tmp_path, "part/videos/a.mp4")
    write_set(tmp_path, {"t.mp4": 1, "u.mp4": 0}, "test", on_disk=())
    touch(tmp_path, "test/videos/t.mp4", "test/videos/more/u.mp4")
    assert set(by_path(tmp_path)) == {
        "part/videos/a.mp4",
        "test/videos/t.mp4",
        "test/videos/more/u.mp4",
    }
    assert find(tmp_path).notes == ()


@pytest.mark.parametrize("above", ["", "all/"])
def test_a_list_above_does_not_speak_of_the_videos_of_another_list(tmp_path, above):
    write_set(tmp_path, {"t.mp4": 1, "a.mp4": 0}, above, on_disk=())
    write_part(tmp_path, {"b.mp4": REAL}, f"{above}part", on_disk=("b.mp4", "a.mp4"))
    touch(tmp_path, f"{above}videos/t.mp4")
    listing = find(tmp_path, val_fraction=0.0)
    assert {clip.path: clip.split for clip in listing.clips} == {
        f"{above}videos/t.mp4": "test",
        f"{above}part/b.mp4": "train",
    }
    assert listing.listed["test", 0, "real"] == 1
    assert f"the first {above}part/a.mp4" in listing.notes[0]


def test_labels_give_test_and_one_is_fake(tmp_path):
    write_set(tmp_path, {"t.mp4": 1, "u.mp4": 0})
    clips = {clip.video: clip for clip in find(tmp_path).clips}
    assert (clips["t"].label, clips["t"].split, clips["t"].real) == (1, "test", None)
    assert "does not say which real video" in clips["t"].unpaired
    assert (clips["u"].label, clips["u"].split, clips["u"].unpaired) == (0, "test", None)


def test_a_test_set_may_have_a_metadata_of_its_own(tmp_path):
    write_set(tmp_path, {"t.mp4": 1})
    (tmp_path / "test" / METADATA).write_text('{"t.mp4": {"is_fake": 1}}')
    assert splits(tmp_path) == {"t": "test"}


def many(root, originals=20):
    """Originals in one part, two fakes of each in another."""
    write_part(root, {f"r{n}.mp4": REAL for n in range(originals)}, "dfdc_train_part_10")
    fakes = {f"{kind}{n}.mp4": fake(f"r{n}.mp4") for n in range(originals) for kind in "ab"}
    return write_part(root, fakes, "dfdc_train_part_2")


def test_val_holds_originals_with_all_their_fakes(tmp_path):
    many(tmp_path)
    found = splits(tmp_path)
    held_out = [name[1:] for name, split in found.items() if split == "val" and name[0] == "r"]
    assert len(held_out) == 2
    assert {name for name, split in found.items() if split == "val"} == {
        f"{kind}{number}" for number in held_out for kind in "rab"
    }
    assert len({tuple(splits(tmp_path, seed=seed).items()) for seed in range(4)}) == 4
    assert set(splits(tmp_path, val_fraction=0.0).values()) == {"train"}


def test_a_validation_set_is_val_and_nothing_is_held_out(tmp_path):
    many(tmp_path)
    write_set(tmp_path, {"v.mp4": 1}, "validation")
    write_set(tmp_path, {"t.mp4": 0}, "test")
    found = splits(tmp_path)
    assert {name for name, split in found.items() if split == "val"} == {"v"}
    assert {name for name, split in found.items() if split == "test"} == {"t"}


def test_fakes_that_name_no_original_stay_in_train(tmp_path):
    write_part(tmp_path, {f"{n}.mp4": fake() for n in range(20)} | {"r.mp4": REAL, "s.mp4": REAL})
    found = splits(tmp_path, val_fraction=0.9)
    assert {name for name, split in found.items() if split == "val"} < {"r", "s"}


def test_a_video_in_two_parts_is_taken_once(tmp_path):
    write_part(tmp_path, {"a.mp4": REAL, "b.mp4": REAL}, "dfdc_train_part_2", on_disk=("a.mp4",))
    write_part(tmp_path, {"a.mp4": REAL, "b.mp4": REAL}, "dfdc_train_part_10")
    listing = find(tmp_path, val_fraction=0.0)
    assert [clip.path for clip in listing.clips] == [
        "dfdc_train_part_2/a.mp4",
        "dfdc_train_part_10/b.mp4",
    ]
    assert listing.listed == {("train", 0, "real"): 2}
    assert listing.notes == ("videos listed more than once, each taken once: 2",)


def test_a_video_of_the_test_set_is_not_trained_on(tmp_path):
    write_part(tmp_path, {"a.mp4": REAL, "b.mp4": REAL})
    write_set(tmp_path, {"a.mp4": 0})
    assert splits(tmp_path, val_fraction=0.0) == {"a": "test", "b": "train"}


def test_missing_videos_are_counted(tmp_path):
    write_part(tmp_path, {"a.mp4": REAL, "b.mp4": fake("a.mp4")}, on_disk=("a.mp4",))
    write_set(tmp_path, {"t.mp4": 1, "u.mp4": 1}, on_disk=("u.mp4",))
    listing = find(tmp_path, val_fraction=0.0)
    assert listing.listed == {
        ("train", 0, "real"): 1,
        ("train", 1, "DFDC"): 1,
        ("test", 1, "DFDC"): 2,
    }
    assert len(listing.clips) == 2


def test_videos_without_a_label_are_noted(tmp_path):
    write_part(tmp_path, {"a.mp4": REAL}, on_disk=("a.mp4", "extra.mp4"))
    touch(tmp_path, "test_videos/y.mp4", "test_videos/x.mp4", "test_videos/._x.mp4")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / METADATA).write_text('{"z.mp4": {"is_fake": 1}}')
    touch(tmp_path, "other/z.mp4")
    (note,) = find(tmp_path).notes
    assert note.endswith("whether they are real: 4, the first dfdc_train_part_0/extra.mp4")


def fails_with(root, *words):
    one_line_error(find, root, str(root), *words)


def test_another_layout_is_one_line(tmp_path):
    fails_with(tmp_path / "none", "not DFDC", "dfdc_train_part_0/metadata.json", "labels.csv")
    touch(tmp_path, "test_videos/a.mp4")
    fails_with(tmp_path, "not DFDC")
    write_part(tmp_path, {"a.mp4": REAL}, on_disk=())
    fails_with(tmp_path, "none of the 1 videos", "expected them beside the list")


def test_two_lists_that_contradict_each_other(tmp_path):
    write_part(tmp_path, {"a.mp4": REAL}, "dfdc_train_part_0")
    write_part(tmp_path, {"a.mp4": fake()}, "dfdc_train_part_1")
    fails_with(tmp_path, f"part_1/{METADATA}: a.mp4 is fake, but real in", f"part_0/{METADATA}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a.mp4": {"label": "REAL"},\n\n', ("cannot be read", "line 3 column 1")),
        ("[]", ("expected a JSON object",)),
        ('{"a.mp4": {"label": "MAYBE"}}', ('"REAL" or "FAKE"', "a.mp4", "MAYBE")),
        ('{"a.mp4": {"label": ["REAL"]}}', ('"REAL" or "FAKE"',)),
        ('{"a.mp4": {"label": "REAL"}, "b.mp4": "FAKE"}', ('"REAL" or "FAKE"', "b.mp4")),
        ('{"../a.mp4": {"label": "REAL"}}', ('"<name>.mp4"', "../a.mp4")),
        ('{"a.mp4": {"label": "FAKE", "original": "../b.mp4"}}', ("original of a.mp4", "../b.mp4")),
        ('{"a.mp4": {"label": "FAKE", "original": 3}}', ("original of a.mp4",)),
    ],
)
def test_a_damaged_metadata_is_one_line(tmp_path, text, words):
    touch(tmp_path, "part/a.mp4")
    (tmp_path / "part" / METADATA).write_text(text)
    fails_with(tmp_path, f"part/{METADATA}", *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("none of the 0 videos",)),
        ("name,label\na.mp4,1\n", ("line 1", "expected the columns filename,label")),
        ("filename,label\na.mp4,1\nb.mp4\n", ("line 3", "expected 2 values")),
        ("filename,label\na.mp4,1\n\nb.mp4,FAKE\n", ("line 4", "1 for fake or 0", "b.mp4,FAKE")),
        ("filename,label\n../a.mp4,1\n", ("line 2", "../a.mp4")),
        ('filename,label\n"a\nb.mp4",1\n', ("line 3", "expected a file name")),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path, text, words):
    touch(tmp_path, "test/a.mp4")
    (tmp_path / "test" / LABELS).write_text(text)
    fails_with(tmp_path, *words)


def test_a_table_from_a_spreadsheet(tmp_path):
    touch(tmp_path, "test/a b.mp4")
    (tmp_path / "test" / LABELS).write_bytes(
        '\ufeffset,filename,label\r\nx,"a b.mp4",1\r\n'.encode()
    )
    assert splits(tmp_path) == {"a b": "test"}


def test_records(footage, tmp_path, caplog):
    first, second = "train/dfdc_train_part_00/dfdc_train_part_0", "train/dfdc_train_part_1"
    root = place(
        footage,
        tmp_path / "root",
        {
            f"{first}/a.mp4": "fake",
            f"{first}/b.mp4": "short fake",
            f"{first}/ü ñ.mp4": "fake",
            f"{first}/d.mp4": "two, smaller fake",
            f"{first}/e.mp4": "empty",
            f"{first}/f.mp4": "cut fake",
            f"{second}/r.mp4": "irregular",
            f"{second}/two.mp4": "two",
            f"{second}/p.mp4": "portrait",
            "test/videos/t.mp4": "fake",
            "test/videos/u.mp4": "face",
            "test/videos/n.mp4": "nobody",
            "test_videos/x.mp4": "face",
        },
    )
    originals = {"a": "r", "b": "r", "ü ñ": "gone", "d": "two", "e": "two", "f": "p"}
    write_part(
        root, {f"{n}.mp4": fake(f"{original}.mp4") for n, original in originals.items()}, first, ()
    )
    write_part(root, {f"{n}.mp4": REAL for n in ("r", "two", "p", "missing")}, second, ())
    write_set(root, {"t.mp4": 1, "u.mp4": 0, "n.mp4": 0, "m.mp4": 1}, on_disk=())
    records = Records("dfdc", root, tmp_path / "records", val_fraction=0.5)
    split = {video: about["split"] for (_, video), about in records.clips.items()}
    assert {"train", "val", "test"} == set(split.values())
    assert split["a"] == split["b"] == split["r"]
    assert split["d"] == split["e"] == split["two"]
    for name in ("r", "two", "p"):
        records.assert_real(split[name], "real", name)
    for name in ("a", "b", "d", "f"):
        records.assert_paired(split[name], "DFDC", name)
    for key in (("DFDC", "d"), ("real", "two")):
        assert all(example["box"][0] > 320 for example in records.of(split[key[1]], *key))
    records.assert_unpaired("gone.mp4 is not on disk", split["ü ñ"], "DFDC", "ü ñ")
    records.assert_unusable("e.mp4", split["e"], "DFDC", "e")
    records.assert_unpaired("does not say which", "test", "DFDC", "t")
    records.assert_real("test", "real", "u")
    records.assert_unusable("no usable frame", "test", "real", "n")
    assert records.counts("test", "fake", "DFDC") == (2, 1, 0, 1, 2)
    assert records.counts("test", "real", "real") == (2, 0, 1, 0, 2)
    (note,) = records.manifest["notes"]
    assert "test_videos/x.mp4" in note
    assert note in caplog.messages
    kept = [records.counts(name, "real", "real") for name in ("train", "val")]
    assert [sum(numbers) for numbers in zip(*kept, strict=True)] == [4, 1, 0, 0, 6]
