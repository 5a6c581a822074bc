import functools
import os

import numpy as np
import pytest
import videos
from PIL import Image
from refusals import one_line_error

from lrl_keras.data import examples
from lrl_keras.data.schema import encode
from tfrecords.build import prepare
from tfrecords.examples.clip_group import ClipGroup
from tfrecords.examples.group_parts import GroupSettings
from tfrecords.examples.image_group import ImageGroup
from tfrecords.sources.folder import find

SETTINGS = GroupSettings(frames_per_video=4, image_size=64, margin=1.3)
SPLITS = ("train", "val", "test")


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return root


def write_list(root, *lines, header="path,label,source,identity,method,split", name="list.csv"):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def by_path(root, **options):
    return {clip.path: clip for clip in find(root, **options).clips}


def splits_of(root, **options):
    return {clip.path: clip.split for clip in find(root, **options).clips}


fails_with = functools.partial(one_line_error, find)


def test_folders_any_nesting_methods_and_what_is_left_out(tmp_path):
    root = touch(
        tmp_path, "real/a.png", "real/anna/deep/er/b é.mp4", "real/.hidden/c.png", "real/._a.png",
        "real/notes.txt", "fake/x.jpg", "fake/swap/y.webp", "fake/swap/anna/z 2.avi",
        "fake/swap/anna/z 10.avi", "fake/real/w.png", "other/v.png", "u.png", "real/t.tar.gz",
    )  # fmt: skip
    listing = find(root)
    clips = by_path(root)
    assert {path: (clip.label, clip.method) for path, clip in clips.items()} == {
        "real/a.png": (0, "real"),
        "real/anna/deep/er/b é.mp4": (0, "real"),
        "real/t.tar.gz": (0, "real"),
        "fake/x.jpg": (1, "fake"),
        "fake/real/w.png": (1, "fake"),
        "fake/swap/y.webp": (1, "swap"),
        "fake/swap/anna/z 2.avi": (1, "swap"),
        "fake/swap/anna/z 10.avi": (1, "swap"),
    }
    assert listing.notes == ("1 files are neither image nor video: real/notes.txt",)
    for path, clip in clips.items():
        assert clip.video == path
        assert not clip.cropped
        assert (clip.unpaired is None) == (clip.label == 0)
        assert clip.frames == (1 if path.endswith(("png", "jpg", "webp")) else None)
    assert all(clip.cropped for clip in find(root, crop="none").clips)


def test_a_root_behind_a_url(tmp_path):
    pictures(tmp_path, 5)
    url = f"file://{tmp_path}"
    assert find(url) == find(tmp_path)
    assert {clip.path for clip in find(url).clips} == {
        f"{kind}/{number}.png" for kind in ("real", "fake") for number in range(5)
    }
    write_list(tmp_path, f"{url}/real/1.png,0", "fake/1.png,1", header="path,label")
    paths = {"real/1.png", "fake/1.png"}
    assert {clip.path for clip in find(url, csv="list.csv").clips} == paths
    assert {clip.path for clip in find(url, csv=f"{url}/list.csv").clips} == paths
    fails_with(f"{url}/none", "no such folder")


def test_content_tells_what_a_name_does_not(tmp_path):
    touch(tmp_path, "real/a", "fake/a.dat")
    Image.new("L", (9, 9)).save(tmp_path / "real" / "b", "PNG")
    videos.write_video(tmp_path / "fake" / "b.mp4", videos.gray_frames(2)).rename(
        tmp_path / "fake" / "b.dat"
    )
    assert set(by_path(tmp_path)) == {"real/b", "fake/b.dat"}


def test_links_to_folders_are_followed_each_once(tmp_path):
    root, elsewhere = tmp_path / "root", touch(tmp_path / "data", "1.png", "in/2.png")
    touch(root, "fake/f.png")
    (root / "real").symlink_to(elsewhere)
    (elsewhere / "in" / "circle").symlink_to(elsewhere)
    (root / "fake" / "linked").symlink_to(elsewhere / "in")
    assert set(by_path(root)) == {
        "real/1.png", "real/in/2.png", "fake/f.png", "fake/linked/2.png",
        "fake/linked/circle/1.png",
    }  # fmt: skip


@pytest.mark.skipif(os.name != "posix", reason="names are text")
def test_names_that_are_no_text_are_written_out(tmp_path):
    touch(tmp_path, "fake/a.png")
    (tmp_path / "real").mkdir()
    with open(os.fsencode(tmp_path) + b"/real/caf\xe9.png", "wb") as file:
        Image.fromarray(videos.face_frames(1)[0]).save(file, "PNG")
    (clip,) = [clip for clip in find(tmp_path).clips if clip.label == 0]
    assert clip.video == "real/caf\\xe9.png"
    group = ImageGroup([clip], tmp_path, SETTINGS)
    (example,), _ = group.examples(group.jobs[0])
    assert encode(example)


def pictures(root, count, kinds=("real", "fake")):
    return touch(root, *(f"{kind}/{number}.png" for kind in kinds for number in range(count)))


def test_splits_are_drawn_of_both_kinds_alike(tmp_path):
    pictures(tmp_path, 40)
    found = splits_of(tmp_path, seed=5)
    for kind in ("real", "fake"):
        mine = [split for path, split in found.items() if path.startswith(kind)]
        assert [mine.count(split) for split in SPLITS] == [32, 4, 4]
    assert splits_of(tmp_path, seed=5) == found
    assert splits_of(tmp_path, seed=6) != found
    touch(tmp_path, "real/new.png", "fake/new/new.png")
    after = splits_of(tmp_path, seed=5)
    assert sum(after[path] != found[path] for path in found) <= 6


def test_counts_leave_the_rest_out_and_say_so(tmp_path):
    pictures(tmp_path, 10)
    listing = find(tmp_path, splits=(7, 2, 4))
    where = [clip.split for clip in listing.clips]
    assert [where.count(split) for split in SPLITS] == [7, 2, 4]
    assert listing.notes == ("7 of 20 clips are in no split, their counts are reached",)
    fails_with(tmp_path, "there are 20", splits=(18, 2, 1))
    fails_with(tmp_path, "add up to 0.9", splits=(0.7, 0.1, 0.1))


def test_identities_are_never_divided(tmp_path):
    for number in range(12):
        touch(tmp_path, f"real/id{number}/a/1.png", f"real/id{number}/2.mp4",
              f"fake/swap/id{number}/3.png", f"fake/other/id{number}/4.png")  # fmt: skip
    for seed in range(8):
        where = {}
        for path, split in splits_of(tmp_path, split_by="identity", seed=seed).items():
            identity = next(part for part in path.split("/") if part.startswith("id"))
            where.setdefault(identity, set()).add(split)
        assert len(where) == 12
        assert all(len(found) == 1 for found in where.values())
        assert sorted(split for found in where.values() for split in found) == (
            ["test"] + ["train"] * 10 + ["val"]
        )
    touch(tmp_path, "fake/swap/5.png", "fake/swap/6.png")
    fails_with(tmp_path, "fake/swap/5.png", "1 others", "fake/METHOD/IDENTITY", split_by="identity")


def test_images_of_one_folder_in_several_splits_are_noted(tmp_path):
    pictures(tmp_path, 20, ("real", "fake/swap"))
    assert find(tmp_path).notes == ()
    touch(tmp_path, *(f"real/film/{number}.png" for number in range(20)))
    (note,) = find(tmp_path).notes
    assert note.startswith("images of one folder are in several splits: real/film; ")
    assert find(tmp_path, splits=(1, 0, 0)).notes == ()


@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_folders_of_splits_are_taken_as_they_are(tmp_path, val):
    for part in ("train", val, "test"):
        touch(tmp_path, f"{part}/real/1.png", f"{part}/fake/swap/1.png")
    clips = by_path(tmp_path, splits=(0.1, 0.1, 0.8))
    assert {path: clip.split for path, clip in clips.items()} == {
        f"{part}/{rest}": "val" if part == val else part
        for part in ("train", val, "test")
        for rest in ("real/1.png", "fake/swap/1.png")
    }
    assert clips["train/fake/swap/1.png"].method == "swap"


def test_val_is_held_out_where_there_is_none(tmp_path):
    touch(tmp_path, *(f"train/{kind}/{n}.png" for kind in ("real", "fake") for n in range(20)))
    touch(tmp_path, "test/real/0.png", "test/fake/0.png")
    found = splits_of(tmp_path)
    held_out = [path for path, split in found.items() if split == "val"]
    assert sorted(path.split("/")[1] for path in held_out) == ["fake"] * 2 + ["real"] * 2
    assert all(path.startswith("train/") for path in held_out)
    assert found["test/real/0.png"] == "test"
    assert "val" not in splits_of(tmp_path, val_fraction=0).values()
    touch(tmp_path, "val/fake/0.png")
    found = splits_of(tmp_path)
    assert [path for path, split in found.items() if split == "val"] == ["val/fake/0.png"]


def test_a_folder_of_images_may_be_one_clip(tmp_path):
    touch(tmp_path, "real/a/1.png", "real/a/2.png", "real/a/below/3.png", "real/anna/b/1.jpg",
          "real/c.mp4", "fake/swap/d/1.png", "fake/e/1.png", "fake/e/notes.txt")  # fmt: skip
    listing = find(tmp_path, sequences=True)
    assert {(clip.path, clip.method, clip.frames) for clip in listing.clips} == {
        ("real/a", "real", None),
        ("real/anna/b", "real", None),
        ("real/c.mp4", "real", None),
        ("fake/swap/d", "swap", None),
        ("fake/e", "fake", None),
    }
    touch(tmp_path, "fake/5.png")
    fails_with(tmp_path, f"{tmp_path}/fake: has images right in it", sequences=True)


def test_a_root_without_the_layout_says_what_is_expected_where(tmp_path):
    fails_with(tmp_path / "none", "no such folder", "real and fake")
    fails_with(tmp_path, str(tmp_path), "expected folders real and fake", "there is: nothing")
    touch(tmp_path, "Real/1.png")
    fails_with(tmp_path, "expected folders real and fake", "there is: Real")
    touch(tmp_path, "real/1.png")
    fails_with(tmp_path, "no image or video in fake/")
    touch(tmp_path, "fake/notes.txt")
    fails_with(tmp_path, "no image or video in fake/")
    touch(tmp_path, "fake/1.png", "train/real/1.png")
    fails_with(tmp_path, "has both real/ and train/")


def test_a_list(tmp_path):
    touch(tmp_path, "a b/é.mp4", "x/1.png", "x/2.png", "x/seq/1.png", "x/z.tar")
    path = write_list(
        tmp_path / "lists",
        "a b/é.mp4,real,,anna,,train",
        "x/1.png, FAKE ,a b/é.mp4,anna,swap,train",
        f"{tmp_path}/x/2.png,0,,,ignored,VALIDATION",
        "./x//seq,1,,,,test",
        '"x/z.tar",fake,,,,test',
    )
    listing = find(tmp_path, csv=str(path))
    clips = {clip.path: clip for clip in listing.clips}
    assert {p: (c.label, c.method, c.split, c.real) for p, c in clips.items()} == {
        "a b/é.mp4": (0, "real", "train", None),
        "x/1.png": (1, "swap", "train", "a b/é.mp4"),
        "x/2.png": (0, "real", "val", None),
        "x/seq": (1, "fake", "test", None),
        "x/z.tar": (1, "fake", "test", None),
    }
    assert clips["x/1.png"].group == clips["a b/é.mp4"].group
    assert listing.notes == ()


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_lists_as_spreadsheets_write_them(tmp_path, start, end, delimiter):
    touch(tmp_path, "r,1;.png", "f.png")
    rows = [["Label", " PATH", "fold", "note"], ["real", '"r,1;.png"', "1", ""],
            ["fake", "f.png", "2", '"two ""words"""'], ["", "", "", ""]]  # fmt: skip
    text = start + end.join(delimiter.join(row) for row in rows) + end
    (tmp_path / "l.csv").write_bytes(text.encode())
    listing = find(tmp_path, csv="l.csv")
    assert {clip.path: clip.label for clip in listing.clips} == {"r,1;.png": 0, "f.png": 1}
    assert listing.notes == ("columns of the list that are not read: fold, note",)


def test_fakes_stay_with_their_source_and_its_other_fakes(tmp_path):
    rows = []
    for number in range(30):
        rows += [f"f{number}a.png,fake,r{number}.png", f"r{number}.png,real,",
                 f"f{number}b.png,fake,r{number}.png"]  # fmt: skip
    write_list(tmp_path, *rows, "alone.png,fake,missing.png", header="path,label,source")
    touch(tmp_path, *(row.partition(",")[0] for row in rows), "alone.png")
    for seed in range(6):
        found = splits_of(tmp_path, csv="list.csv", seed=seed)
        assert len(found) == 91
        for number in range(30):
            assert len({found[f"{name}.png"] for name in
                        (f"r{number}", f"f{number}a", f"f{number}b")}) == 1  # fmt: skip
    assert "missing.png is not there" in by_path(tmp_path, csv="list.csv")["alone.png"].unpaired


def test_identities_of_a_list_join_what_their_fakes_join(tmp_path):
    header, rows = "path,label,source,identity", []
    for number in range(20):
        rows += [f"r{number}.png,0,,p{number // 2}", f"f{number}.png,1,r{number}.png,p{number}"]
    write_list(tmp_path, *rows, header=header)
    touch(tmp_path, *(row.partition(",")[0] for row in rows))
    # p0 has r0, r1 and so f1, which is p1, who has r2 and r3 and so f3 ...: all are one family.
    assert len(set(splits_of(tmp_path, csv="list.csv", split_by="identity").values())) == 1
    write_list(tmp_path, "r0.png,0,,anna", "f0.png,1,,", header=header)
    fails_with(tmp_path, "f0.png: has no identity", csv="list.csv", split_by="identity")


def test_clips_that_are_not_there_are_counted_and_named(tmp_path):
    touch(tmp_path, "r.png", "f.png")
    write_list(tmp_path, "r.png,real,,,,test", "gone/1.png,real,,,,train", "f.png,1,,,swap,test",
               "2.png,1,,,swap,test", ".h.png,0,,,,val")  # fmt: skip
    listing = find(tmp_path, csv="list.csv")
    assert {clip.path for clip in listing.clips} == {"r.png", "f.png"}
    assert listing.listed == {
        ("test", 0, "real"): 1, ("train", 0, "real"): 1, ("val", 0, "real"): 1,
        ("test", 1, "swap"): 2,
    }  # fmt: skip
    assert listing.notes == ("3 clips of the list are not there: gone/1.png, 2.png, .h.png",)
    write_list(tmp_path, "gone.png,real,,,,", "g.png,fake,,,,")
    fails_with(tmp_path, "none of its 2 clips", f"{tmp_path}/gone.png", csv="list.csv")


HEADER = "path,label,source,identity,method,split"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["path,source"], ["line 1", "expected the columns path, label", "'path,source'"]),
        (["a.png,real"], ["line 1", "expected the columns path, label"]),
        ([], ["line 1", "expected the columns"]),
        ([HEADER], ["no line below the header"]),
        ([HEADER, "a.png,real,,,,", "b.png,rael,,,,"], ["line 3", "real, fake, 0 or 1", "'rael'"]),
        ([HEADER, "a.png,,,,,"], ["line 2", "label must be"]),
        ([HEADER, "a.png,real,,,,dev"], ["line 2", "train, val or test", "'dev'"]),
        ([HEADER, "a.png,real"], ["line 2", "expected 6 values", "2"]),
        ([HEADER, "a,b.png,real,,,,"], ["line 2", "quotation marks"]),
        ([HEADER, "a.png,0,,,,", "", "./a.png,0,,,,"], ["line 4", "a.png stands in line 2"]),
        ([HEADER, "../a.png,0,,,,"], ["line 2", "'../a.png' is no path of a file below"]),
        ([HEADER, "x/../../a.png,0,,,,"], ["line 2", "is no path"]),
        ([HEADER, "/etc/passwd,0,,,,"], ["line 2", "'/etc/passwd' is no path"]),
        ([HEADER, "s3://b/a.png,0,,,,"], ["line 2", "is no path"]),
        ([HEADER, ",0,,,,"], ["line 2", "'' is no path"]),
        ([HEADER, ".,0,,,,"], ["line 2", "'.' is no path"]),
        ([HEADER, "a\0b.png,0,,,,"], ["line"]),
        ([HEADER, '"a.png,0,,,,'], ["line 2", "no line of a CSV"]),
        ([HEADER, "a.png,0,b.png,,,"], ["line 2", "only a fake has a source"]),
        ([HEADER, "a.png,1,b.png,,,", "b.png,1,,,,"], ["line 2", "a fake itself (line 3)"]),
        ([HEADER, "a.png,1,a.png,,,"], ["line 2", "is a fake itself"]),
        ([HEADER, "a.png,1,,,real,"], ["line 2", "method of a fake must not be real"]),
        ([HEADER, "a.png,0,,,,train", "b.png,0,,,,"], ["line 3: no split", "line 2 has one"]),
        ([HEADER, "a.png,0,,,,", "b.png,0,,,,val"], ["line 2: no split", "line 3 has one"]),
        (
            [HEADER, "a.png,0,,,,train", "b.png,1,a.png,,,test"],
            ["line 3: test, but line 2 is train", "belong to one split"],
        ),
        (
            [HEADER, "a.png,1,c.png,,,train", "b.png,1,c.png,,,val"],
            ["line 3: val, but line 2 is train"],
        ),
    ],
)  # fmt: skip
def test_a_fault_of_a_list_is_one_line_with_its_number(tmp_path, lines, words):
    (tmp_path / "list.csv").write_text("\n".join(lines), encoding="utf-8")
    fails_with(tmp_path, f"{tmp_path}/list.csv", *words, csv=str(tmp_path / "list.csv"))


def test_lists_that_cannot_be_read(tmp_path):
    fails_with(tmp_path, "none.csv: cannot be read (No such file", csv="none.csv")
    fails_with(tmp_path, "cannot be read (Is a directory)", csv=str(tmp_path))
    (tmp_path / "l.csv").write_text("path,label\na,0", encoding="utf-16")
    fails_with(tmp_path, "l.csv: not in UTF-8", csv="l.csv")
    fails_with(tmp_path / "none", "no such folder", csv="l.csv")
    fails_with(tmp_path, "sequences is for folders", csv="l.csv", sequences=True)


def save(path, frame):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(frame).save(path)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Images and videos of faces and everything that is amiss, in folders and in a list."""
    root = tmp_path_factory.mktemp("own")
    real, fake = videos.face_frames(12), videos.forged(videos.face_frames(12))
    for number in range(0, 12, 4):
        save(root / "real" / "é dir" / f"{number} a.png", real[number])
        save(root / "fake" / "mouth" / f"{number}.png", fake[number])
    videos.write_video(root / "real" / "film.mp4", real)
    videos.write_video(root / "fake" / "mouth" / "film.mp4", fake[:6])
    videos.write_video(root / "fake" / "mouth" / "small.mp4", [f[:200].copy() for f in fake])
    save(root / "real" / "brick.png", videos.faceless_frames(1)[0])
    save(root / "real" / "cut.png", real[0])
    (root / "real" / "cut.png").write_bytes((root / "real" / "cut.png").read_bytes()[:3000])
    touch(root, "fake/empty.jpg", "fake/empty.mp4")
    save(root / "fake" / "crop.png", fake[0][:, :300].copy())
    (root / "fake" / "dangling.png").symlink_to(root / "nowhere.png")
    write_list(
        root,
        "real/film.mp4,real,", "real/brick.png,real,", "real/cut.png,real,",
        *(f"real/é dir/{number} a.png,real," for number in (0, 4, 8)),
        *(f"fake/mouth/{number}.png,fake,real/é dir/{number} a.png" for number in (0, 4, 8)),
        "fake/mouth/film.mp4,fake,real/film.mp4",
        "fake/mouth/small.mp4,fake,real/film.mp4",
        "fake/crop.png,fake,real/é dir/0 a.png",
        "fake/empty.jpg,fake,real/é dir/4 a.png",
        "fake/dangling.png,fake,real/cut.png",
        "fake/gone.png,fake,real/brick.png",
        header="path,label,source",
    )  # fmt: skip
    return root


def made(root, **options):
    """Reports by path, and examples by (path, frame)."""
    clips = find(root, splits=(1, 0, 0), **options).clips
    reports, found = {}, {}
    for name in dict.fromkeys(clip.group for clip in clips):
        group = ImageGroup([clip for clip in clips if clip.group == name], root, SETTINGS)
        for job in group.jobs:
            its, reports[job.clip.path] = group.examples(job)
            found |= {(example.video, example.frame): example for example in its}
    return reports, found


def test_what_folders_give(tree):
    reports, found = made(tree)
    unusable = {path: report.unusable for path, report in reports.items() if report.unusable}
    assert unusable == {
        "real/brick.png": "no usable frame",
        "real/cut.png": unusable["real/cut.png"],
        "fake/empty.jpg": "fake/empty.jpg: empty file; copy it again",
        "fake/empty.mp4": "fake/empty.mp4: empty file; copy it again",
        "fake/dangling.png": unusable["fake/dangling.png"],
    }
    assert unusable["real/cut.png"].startswith("real/cut.png: damaged or cut off")
    assert unusable["fake/dangling.png"].startswith("fake/dangling.png: cannot be opened")
    assert reports["real/brick.png"].dropped == {"no face": [0]}
    assert {path for path, _ in found} == reports.keys() - unusable.keys()
    assert reports["real/film.mp4"].kept == [1, 4, 7, 10]
    for example in found.values():
        assert example.has_mask == (example.label == 0)


def test_what_a_list_gives(tree):
    reports, found = made(tree, csv="list.csv")
    assert reports["fake/mouth/film.mp4"].kept == [0, 2, 3, 5]  # the shorter of the two
    for path, size in (("fake/mouth/small.mp4", "320 x 200"), ("fake/crop.png", "300 x 240")):
        assert f"{size} pixels, its real video 320 x 240" in reports[path].unpaired
        assert not any(example.has_mask for key, example in found.items() if key[0] == path)
    assert reports["fake/empty.jpg"].unusable.startswith("fake/empty.jpg: empty file")
    for number in (0, 4, 8):
        check_pair(found[f"real/é dir/{number} a.png", 0], found[f"fake/mouth/{number}.png", 0])


def check_pair(real, fake):
    assert real.box == fake.box
    assert fake.has_mask
    difference = np.abs(fake.image.astype(int) - real.image)
    # 15 % of 255 is 38.25: no gray level of these differences can lie on its other side.
    assert (fake.mask[difference.min(axis=-1) > 39] == 1).all()
    assert (fake.mask[difference.max(axis=-1) < 38] == 0).all()
    assert 0.02 < fake.mask.mean() < 0.3
    assert fake.mask[32:].sum() == fake.mask.sum()  # the mouth and chin


def test_whole_pictures_are_taken_where_they_are_crops_already(tree):
    reports, found = made(tree, csv="list.csv", crop="none")
    assert found["real/brick.png", 0].box == (0, 0, 320, 240)
    assert found["fake/mouth/4.png", 0].has_mask
    assert 0.005 < found["fake/mouth/4.png", 0].mask.mean() < 0.1
    assert {path for path, report in reports.items() if report.unusable} == {
        "real/cut.png", "fake/empty.jpg", "fake/dangling.png",
    }  # fmt: skip


def test_pictures_in_batches_are_those_found_one_by_one(tree):
    clips = find(tree, csv="list.csv", splits=(1, 0, 0)).clips
    together, alone = (kind(clips, tree, SETTINGS) for kind in (ImageGroup, ClipGroup))
    for mine, its in zip(together.jobs, alone.jobs, strict=True):
        (examples_of_mine, report), (wanted, wanted_report) = (
            together.examples(mine), alone.examples(its)
        )  # fmt: skip
        assert report == wanted_report
        for one, other in zip(examples_of_mine, wanted, strict=True):
            # The sums of a batch are rounded in another order.
            assert np.abs(np.subtract(one.box, other.box)).max() <= 2
            assert (one.label, one.has_mask, one.frame) == (
                other.label,
                other.has_mask,
                other.frame,
            )


def test_a_list_becomes_records(tree, tmp_path, caplog):
    records = prepare(
        "folder", tree, tmp_path, csv="list.csv", splits=(1, 0, 0), workers=1,
        frames_per_video=4, image_size=64, progress=False,
    )  # fmt: skip
    assert "1 clips of the list are not there: fake/gone.png" in caplog.text
    assert records.counts["train"]["fake"]["fake"]["missing_videos"] == 1
    _, wanted = made(tree, csv="list.csv")
    found = {}
    for batch in examples(tmp_path, "train", batch_size=8):
        rows = {name: values.numpy() for name, values in batch.items()}
        for index, video in enumerate(rows["video"]):
            key = video.decode(), int(rows["frame"][index])
            found[key] = {name: values[index] for name, values in rows.items()}
    assert found.keys() == wanted.keys()
    for key, row in found.items():
        np.testing.assert_array_equal(row["image"], wanted[key].image)
        mask = wanted[key].mask
        np.testing.assert_array_equal(row["mask"][..., 0], 0 if mask is None else mask)
        assert row["has_mask"] == wanted[key].has_mask
        assert row["label"] == wanted[key].label == ("fake" in key[0])


def test_pictures_share_groups_and_shards_hold_both_kinds(tmp_path):
    pictures(tmp_path, 100)
    videos.write_video(tmp_path / "real" / "v.mp4", videos.gray_frames(2))
    clips = find(tmp_path).clips
    groups = {}
    for clip in clips:
        groups.setdefault(clip.group, []).append(clip)
    assert groups["real/v.mp4"] == [clip for clip in clips if clip.path == "real/v.mp4"]
    kinds = {}
    for group in groups.values():
        ((split, label, frames),) = {(clip.split, clip.label, clip.frames) for clip in group}
        kinds.setdefault((split, label, frames), []).append(len(group))
    assert len(kinds) == 7
    for sizes in kinds.values():
        assert sorted(sizes)[1:] == [32] * (len(sizes) - 1)
    order = [groups[name][0].label for name in dict.fromkeys(clip.group for clip in clips)]
    assert order != sorted(order)
