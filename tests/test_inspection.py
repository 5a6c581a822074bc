"""What `inspect` says of a small FaceForensics++ with known faults, and what it draws of it."""

import collections
import json
import os
import shutil

import ffpp_tree
import matplotlib
import numpy as np
import pytest
from PIL import Image

from lrl_keras.cli import main
from lrl_keras.data import examples
from lrl_keras.data import manifest as manifests
from lrl_keras.errors import InputError
from lrl_keras.evaluation.inspection import inspect
from lrl_keras.plots.drawing import FORGED, REAL, example_strip
from tfrecords.build import prepare

SPLITS = ("train", "val", "test")
SIDE = 128  # how large the pictures of 64 x 64 pixels are drawn
STEP = 158  # from one picture of an example to the next
ROWS = (
    ("train", "real"), ("train", "Deepfakes"), ("train", "FaceSwap"), ("train", "Face2Face"),
    ("val", "real"), ("val", "Face2Face"), ("val", "NeuralTextures"),
    ("test", "real"), ("test", "NeuralTextures"),
)  # fmt: skip
PATCHES = 5


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Records of the tree that `ffpp_tree` describes; not to be changed."""
    folder = tmp_path_factory.mktemp("inspection")
    tree = ffpp_tree.write_tree(folder / "tree")
    prepare("faceforensics", tree, folder / "records", workers=2, **ffpp_tree.ARGUMENTS)
    return folder / "records"


@pytest.fixture
def records(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "records")


@pytest.fixture(scope="module")
def drawn(finished, tmp_path_factory):
    """The result and the sheet."""
    out = tmp_path_factory.mktemp("drawn") / "pictures" / "sheet.png"
    result = inspect(finished, out=out)
    with Image.open(out) as sheet:
        return result, np.asarray(sheet)


@pytest.fixture(scope="module")
def stored(finished):
    """Every example of the records, by split and method, in their order."""
    found = collections.defaultdict(list)
    for split in SPLITS:
        for batch in examples(finished, split, batch_size=1).as_numpy_iterator():
            example = {name: value[0] for name, value in batch.items()}
            found[split, example["method"].decode()].append(example)
    return found


def numbers(result, split, kind, method):
    found = result["counts"][split][kind][method]
    names = ("listed", "missing", "unusable", "unpaired")
    return [found[f"{name}_videos"] for name in names] + [
        found["dropped_frames"],
        found["examples"],
    ]


def test_the_counts_are_those_of_the_tree(drawn):
    result, _ = drawn
    for (split, kind, method), expected in {
        ("train", "real", "real"): [4, 2, 0, 0, 0, 8],
        ("train", "fake", "Deepfakes"): [4, 2, 0, 1, 0, 8],
        ("train", "fake", "FaceSwap"): [4, 3, 0, 0, 0, 4],
        ("train", "fake", "Face2Face"): [4, 3, 0, 1, 0, 4],
        ("train", "fake", "NeuralTextures"): [4, 4, 0, 0, 0, 0],
        ("val", "real", "real"): [2, 0, 1, 0, 4, 4],
        ("val", "fake", "Deepfakes"): [2, 1, 1, 0, 4, 0],
        ("val", "fake", "FaceSwap"): [2, 1, 1, 0, 0, 0],
        ("test", "fake", "NeuralTextures"): [2, 1, 0, 0, 0, 4],
    }.items():
        assert numbers(result, split, kind, method) == expected, (split, kind, method)
    assert result["balance"] == {
        "train": {"real": 8, "forged": 16},
        "val": {"real": 4, "forged": 8},
        "test": {"real": 4, "forged": 4},
    }
    assert list(result["counts"]) == list(SPLITS)
    assert result["source"] == "faceforensics"
    assert result["arguments"]["frames_per_video"] == 4
    assert result["several_faces"] == 0
    json.dumps(result, allow_nan=False)


def test_what_was_left_out_is_named_with_the_reason(drawn, finished):
    result, _ = drawn

    def said(kind):
        return {
            (row["split"], row["method"], row["reason"], row["clips"], row["frames"])
            for row in result[kind]
        }

    assert said("dropped") == {("val", name, "no face", 1, 4) for name in ("real", "Deepfakes")}
    assert said("unpaired") == {
        ("train", "Deepfakes", "its real video 003 is not on disk", 1, 4),
        ("train", "Face2Face", "280 x 240 pixels, its real video 320 x 240", 1, 4),
    }
    unusable = {row["method"]: row for row in result["unusable"]}
    assert set(unusable) == {"real", "Deepfakes", "FaceSwap"}
    path = "manipulated_sequences/FaceSwap/c23/videos/001_870.mp4"
    assert unusable["FaceSwap"]["first"] == [path]
    (clip,) = (c for c in manifests.read(finished)["clips"] if c["path"] == path)
    assert clip["unusable"] == f"{path}: {unusable['FaceSwap']['reason']}"
    ((split, method, reason, clips, frames),) = said("cut_off")
    assert (split, method, clips) == ("val", "Face2Face", 1)
    assert reason == f"holds {12 - frames} of the 12 frames that it should"


def test_reasons_of_many_clips_are_one(records):
    content = manifests.read(records)
    (clip,) = (c for c in content["clips"] if c["video"] == "003_000")
    for index in range(40):
        path = clip["path"].replace("003_000", f"{index:03}_x")
        reasons = {"unpaired": f"its real video {index:03} is not on disk"}
        if index % 4 == 0:
            reasons = {"unusable": f"{path}: {index} x {index} pixels are too many, no MP4"}
        content["clips"].append(
            {**clip, "path": path, "kept": [], "unpaired": None, "unusable": None, **reasons}
        )
    content["clips"][-1]["faces"] = 2
    manifests.write(records, content)
    result = inspect(records, verify=False)
    (row,) = (row for row in result["unpaired"] if row["method"] == "Deepfakes")
    assert row["reason"] == "its real video … is not on disk"
    assert row["clips"] == 31
    assert [os.path.basename(path) for path in row["first"]] == [
        "003_000.mp4", "001_x.mp4", "002_x.mp4",
    ]  # fmt: skip
    row = max(result["unusable"], key=lambda row: row["clips"])
    assert (row["clips"], row["reason"]) == (10, "… x … pixels are too many, no MP4")
    assert result["several_faces"] == 1


def test_one_split_alone(finished, tmp_path):
    result = inspect(finished, split="val", out=tmp_path / "val.png", per_kind=1)
    assert set(result["counts"]) == set(result["balance"]) == {"val"}
    assert {shard["split"] for shard in result["shards"]} == {"val"}
    assert {row["split"] for kind in ("dropped", "unusable") for row in result[kind]} == {"val"}
    assert result["unpaired"] == []
    with Image.open(tmp_path / "val.png") as sheet:
        assert 2 * SIDE < sheet.width < 4 * SIDE + STEP


def find(sheet, image):
    """Corners (y, x) of an image on the sheet, drawn twice as large."""
    image = image.astype(np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    rows, row, start = sheet.tobytes(), image[0].tobytes(), -1
    while (start := rows.find(row, start + 1)) >= 0:
        y, x = divmod(start // 3, sheet.shape[1])
        if start % 3 == 0 and np.array_equal(sheet[y : y + SIDE, x : x + SIDE], image):
            yield y, x


@pytest.fixture(scope="module")
def shown(drawn, stored):
    """(example, its corner on the sheet) of those that are to be shown, evenly spaced ones.

    Several clips of the tree have the same pictures, so that the places tell them apart.
    """
    _, sheet = drawn
    found = {place for kind in stored.values() for e in kind for place in find(sheet, e["image"])}
    rows, columns = (sorted(set(values)) for values in zip(*found, strict=True))
    assert (len(rows), len(columns), len(found)) == (len(ROWS), 3, 3 * len(ROWS))
    pairs = []
    for y, kind in zip(rows, ROWS, strict=True):
        numbers = {4: (0, 2, 3), 8: (1, 4, 6)}[len(stored[kind])]
        pairs += [(stored[kind][n], (y, x)) for n, x in zip(numbers, columns, strict=True)]
    return pairs


def reference_target(mask):
    """Eq. (9) of a mask (64, 64), patch by patch."""
    side = -(-len(mask) // PATCHES)
    starts = range(0, PATCHES * side, side)
    means = [mask[y : y + side, x : x + side].mean() for y in starts for x in starts]
    return np.array([[1 - (p - q) ** 2 for q in means] for p in means])


def test_the_sheet_holds_evenly_spaced_examples_of_each_kind(drawn, stored, shown):
    _, sheet = drawn
    assert stored.keys() == set(ROWS)
    for example, place in shown:
        assert place in find(sheet, example["image"])
    for example, (y, x) in shown[::3]:
        heading = sheet[y - 45 : y - 15, x : x + SIDE].astype(int)
        colour = FORGED if example["label"] else REAL
        assert (np.abs(heading - colour).max(axis=2) < 9).sum() > 20


def test_beside_an_image_are_its_mask_and_target(drawn, shown):
    _, sheet = drawn
    viridis = matplotlib.colormaps["viridis"]
    known = 0
    for example, (y, x) in shown:
        beside = sheet[y : y + SIDE, x + STEP : x + STEP + SIDE]
        target = sheet[y - 11 : y + 139, x + 2 * STEP - 11 : x + 2 * STEP + 139]
        if not example["has_mask"]:
            assert np.array_equal(beside, target[11:-11, 11:-11])
            assert (beside == (90, 90, 90)).all(axis=2).mean() > 0.9
            assert (beside > 200).all(axis=2).sum() > 50  # 'no mask known'
            continue
        mask = example["mask"][..., 0]
        assert mask.any() == (example["label"] == 1)
        for part in (beside[::2, ::2], beside[1::2, 1::2]):
            np.testing.assert_array_equal(part, 255 * mask[..., None].repeat(3, axis=2))
        colours = 255 * viridis(reference_target(mask))[..., :3]
        np.testing.assert_allclose(target[3::6, 3::6], colours, atol=2.5)
        known += 1
    # All but Face2Face of train and the two of 003_000.
    assert known == 27 - 3 - 2


def test_pictures_of_any_size_fit_their_cells():
    mask = np.zeros((299, 299), np.uint8)
    mask[100:200, 50:150] = 1
    image = np.random.default_rng(0).integers(0, 255, (299, 299, 3), np.uint8)
    strips = [
        example_strip(image, mask, np.eye(25), "a " * 200),
        example_strip(image[:32, :32], mask[:32, :32], np.eye(9), ""),
        example_strip(image, mask, np.eye(400), "x"),
        example_strip(image, None, None, "x"),
    ]
    assert len({strip.shape for strip in strips}) == 1
    assert strips[0].shape[1] == 3 * 150 + 2 * 8
    small = np.asarray(Image.fromarray(image).resize((150, 150), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(strips[0][:150, :150], small)


def test_the_same_records_give_the_same_sheet(finished, tmp_path):
    for name in ("a.png", "b.png"):
        inspect(finished, out=tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_records_behind_a_url(finished, drawn, tmp_path):
    result = inspect(f"file://{finished}", out=f"file://{tmp_path}/sheet.png")
    local, sheet = drawn
    assert result.pop("sheet") == f"file://{tmp_path}/sheet.png"
    assert result.pop("records") == f"file://{finished}"
    assert result == {name: value for name, value in local.items() if name in result}
    with Image.open(tmp_path / "sheet.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), sheet)


def damage(records):
    """Cut one shard, remove another; returns both."""
    cut, removed = sorted(records.glob("train-*.tfrecord"))[:2]
    os.truncate(cut, cut.stat().st_size // 2)
    removed.unlink()
    return cut, removed


def test_all_damaged_shards_are_named_and_the_others_drawn(records, stored, tmp_path):
    cut, removed = damage(records)
    result = inspect(records, out=tmp_path / "sheet.png")
    faults = {shard["name"]: shard["fault"] for shard in result["shards"] if shard["fault"]}
    assert faults.keys() == {cut.name, removed.name}
    assert faults[cut.name].startswith(f"{cut}: damaged")
    assert faults[removed.name].startswith(f"{removed}: missing")
    assert all(line.isprintable() for line in faults.values())
    (size,) = (s["bytes"] for s in result["shards"] if s["name"] == cut.name)
    assert size == cut.stat().st_size
    assert [s["bytes"] for s in result["shards"] if s["name"] == removed.name] == [None]
    assert result["balance"]["train"] == {"real": 8, "forged": 16}
    with Image.open(tmp_path / "sheet.png") as opened:
        sheet = np.asarray(opened)
    rows = {y for kind in stored.values() for e in kind for y, _ in find(sheet, e["image"])}
    assert len(rows) == len(ROWS) - 2  # Deepfakes and FaceSwap of train are gone.
    first, second = sorted(rows)[:2]
    for y, kind, numbers in ((first, ROWS[0], (4, 6, 7)), (second, ROWS[3], (0, 2, 3))):
        for number in numbers:
            assert y in {place[0] for place in find(sheet, stored[kind][number]["image"])}


def test_without_checksums_what_cannot_be_read_is_named_too(records, tmp_path):
    cut, removed = damage(records)
    first, second = (records / f"{split}-00000-of-0000{n}.tfrecord" for split, n in
                     (("val", 2), ("test", 1)))  # fmt: skip
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    named = {shard["name"] for shard in inspect(records, verify=False)["shards"] if shard["fault"]}
    assert named == {removed.name}
    result = inspect(records, verify=False, out=tmp_path / "sheet.png")
    named = {shard["name"]: shard["fault"] for shard in result["shards"] if shard["fault"]}
    assert named.keys() == {cut.name, removed.name, first.name, second.name}
    assert "example" in named[first.name]
    assert result["verified"] is False


def test_with_nothing_left_to_draw_there_is_no_sheet(records, tmp_path):
    for shard in records.glob("*.tfrecord"):
        shard.unlink()
    result = inspect(records, out=tmp_path / "sheet.png")
    assert result["sheet"] is None
    assert not (tmp_path / "sheet.png").exists()
    assert all("missing" in shard["fault"] for shard in result["shards"])


def test_mistakes_are_said(records, tmp_path):
    for arguments, words in (
        ({"split": "exam"}, "has no split 'exam'; there are: train, val, test"),
        ({"per_kind": 0}, "per_kind must be from 1 to 20"),
        ({"patches": 65}, "patches must be from 1 to 64"),
        ({"out": tmp_path}, "is a folder; name the PNG file"),
        ({"out": tmp_path / "sheet.txt"}, r"sheet\.txt: must end in \.png"),
        ({"out": records / "manifest.json" / "sheet.png"}, "no folder and cannot be made one"),
    ):
        with pytest.raises(InputError, match=words):
            inspect(records, **arguments)
    with pytest.raises(InputError, match="not found"):
        inspect(tmp_path, out=tmp_path / "sheet.png")
    path = records / manifests.MANIFEST
    path.write_text(path.read_text().replace("no face", "no fake", 1))
    with pytest.raises(InputError, match=r"manifest\.json: damaged or changed"):
        inspect(records)


def test_the_command_prints_all_it_can_and_fails_on_damage(records, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["inspect", str(records)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    row = next(line for line in lines if line.split()[:3] == ["train", "fake", "Deepfakes"])
    assert row.split()[3:] == ["4", "2", "0", "1", "0", "8"]
    assert "val   Deepfakes: 4 frames of 1 clip: no face" in lines
    assert "train         8 real and        16 forged examples" in lines
    assert any(line.startswith("6 of 6 shards have their checksum") for line in lines)
    assert lines[-1] == "examples drawn: inspect.png"
    assert (tmp_path / "inspect.png").is_file()

    cut, removed = damage(records)
    assert main(["inspect", str(records), "--json", "--out", "other.png"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["sheet"] == "other.png"
    errors = captured.err.splitlines()
    assert len(errors) == 2
    assert any(line.startswith(f"lrl-keras: error: {cut}: damaged") for line in errors)
    assert any(line.startswith(f"lrl-keras: error: {removed}: missing") for line in errors)
    assert main(["inspect", str(records), "--no-verify", "--split", "val"]) == 0
    assert "2 of 2 shards are there (checksums not compared)" in capsys.readouterr().out
