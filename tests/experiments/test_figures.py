import importlib
import json

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu
from sklearn.metrics import jaccard_score
from trees import REGIONS, write_ffpp

import lrl_keras
import lrl_keras.data
from experiments import figure4, figure5, figure6
from experiments.study import disturbances, figure, image_grids
from lrl_keras.data import Records

KINDS = ["real", *REGIONS]
FACES = 8  # of each kind: two test videos of four frames


def main(number, *argv):
    return importlib.import_module(f"experiments.figure{number}").main([str(arg) for arg in argv])


def bands(path):
    """Number of rows of pictures in a PNG: runs of at least 100 lines that are not all white."""
    with Image.open(path) as opened:
        opened.verify()
    pixels = np.asarray(Image.open(path).convert("L"))
    drawn = np.concatenate([[0], (pixels < 250).mean(axis=1) > 0.15, [0]]).astype(int)
    starts, ends = np.flatnonzero(np.diff(drawn) > 0), np.flatnonzero(np.diff(drawn) < 0)
    return int((ends - starts >= 100).sum())


class Trained:
    """The figures of one folder, and what they were made from."""

    def __init__(self, folder):
        self.root, self.out = write_ffpp(folder / "ffpp"), folder / "out"
        self.argv = (self.out, "--ffpp", self.root, "--smoke", "--image-size", "64")
        self._found = {}

    def found(self, number, *argv):
        """What the JSON of a figure says; the figure is made where no test has made it so."""
        if (number, argv) not in self._found:
            assert main(number, *self.argv, *argv) == 0
            found = json.loads((self.out / f"figure{number}.json").read_text())
            self._found[number, argv] = found
        return self._found[number, argv]

    def network(self, whole):
        """The trained network, found by what its folder's configuration says."""
        for run in (self.out / "runs").iterdir():
            network = lrl_keras.load(run)
            if network.similarity == whole:
                return network
        raise AssertionError

    def examples(self, kind):
        """Test examples of a kind by video and frame."""
        records = self.out / "records" / "ffpp-c40"
        batches = lrl_keras.data.examples(records, "test", batch_size=1).as_numpy_iterator()
        found = ({name: value[0] for name, value in batch.items()} for batch in batches)
        return {
            (example["video"].decode(), int(example["frame"])): example
            for example in found
            if example["method"].decode() == kind
        }

    def shown(self, number, kind):
        """The row of a kind in the JSON, and its example."""
        row = self.found(number)["rows"][kind]
        return row, self.examples(kind)[row["video"], row["frame"]]

    def state(self):
        """When the trainings and their figures were last written."""
        return {
            path: path.stat().st_mtime_ns
            for folder in ("runs", "records")
            for path in sorted((self.out / folder).rglob("*"))
            if path.is_file()
        }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return Trained(tmp_path_factory.mktemp("figures"))


@pytest.mark.long
def test_a_figure_waits_for_the_trainings_of_other_machines(trained, capsys):
    assert main(5, *trained.argv, "--index", 1, "--of", 2) == 0
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("figure5: not drawn yet, RGB not trained to the end")
    assert len(list((trained.out / "runs").iterdir())) == 1
    assert not (trained.out / "figure5.png").exists()


@pytest.mark.long
@pytest.mark.parametrize(("number", "rows"), [(3, 5), (4, 5), (5, 5), (6, 12)])
def test_a_figure_is_drawn_by_one_command_and_trains_once(trained, capsys, number, rows):
    found = trained.found(number)
    assert list(found["rows"]) == sorted(KINDS if number < 6 else REGIONS)
    assert found["records"]["ffpp-c40"]["manifest_sha256"]
    assert found["seeds"] == [0]
    assert len(found["runs"]) == (2 if number > 4 else 1)
    paths = [trained.out / f"figure{number}.{kind}" for kind in ("png", "md", "json")]
    assert bands(paths[0]) == rows
    text = paths[1].read_text()
    assert f"(figure{number}.png)" in text
    assert "Smoke scale" in text
    assert "epochs: 1; the paper: 50" in text

    before, pictured = trained.state(), [path.read_bytes() for path in paths]
    capsys.readouterr()
    assert main(number, *trained.argv) == 0
    assert capsys.readouterr().out.splitlines() == [str(path) for path in paths]
    assert trained.state() == before
    assert [path.read_bytes() for path in paths] == pictured


@pytest.mark.long
def test_figure3_errors_are_those_of_the_faces_it_names(trained):
    model = trained.network(whole=True)
    for kind in ("real", "FaceSwap"):
        row, example = trained.shown(3, kind)
        outputs = model.predict(example["image"][None], verbose=0)
        assert row["score"] == pytest.approx(float(outputs["label"][0, 0]), abs=1e-5)
        assert row["forged_pixels"] == pytest.approx(example["mask"].mean(), abs=1e-6)
        error = np.abs(outputs["mask"][0] - example["mask"]).mean()
        assert row["mask_error"] == pytest.approx(error, abs=1e-5)
        # Patches of 13 of 64 pixels, the last of 12.
        ends = [0, 13, 26, 39, 52, 64]
        cells = np.add.reduceat(np.add.reduceat(example["mask"][..., 0], ends[:5], 0), ends[:5], 1)
        parts = (cells / np.outer(np.diff(ends), np.diff(ends))).reshape(-1)
        target = 1 - np.subtract.outer(parts, parts) ** 2
        error = np.abs(outputs["similarity"][0] - target).mean()
        assert row["similarity_error"] == pytest.approx(error, abs=1e-5)
    assert trained.found(3)["rows"]["FaceSwap"]["forged_pixels"] > 0.02
    assert trained.found(3)["rows"]["real"]["forged_pixels"] == 0


@pytest.mark.long
def test_figure4_counts_every_face_once_and_averages_their_patterns(trained):
    rows = trained.found(4)["rows"]
    for kind in KINDS:
        counts = np.array(rows[kind]["most_predictive"])
        assert counts.shape == (5, 5)
        assert counts.sum() + rows[kind]["without_activation"] == rows[kind]["faces"] == FACES
        assert f"{kind}: {FACES} faces, the paper: 1000" in trained.found(4)["different"]
    model = trained.network(whole=True)
    images = np.stack([example["image"] for example in trained.examples("Face2Face").values()])
    pattern = model.predict(images, verbose=0)["similarity"].mean(axis=0)
    np.testing.assert_allclose(rows["Face2Face"]["mean_pattern"], pattern, atol=1e-5)
    fused = keras.Model(model.inputs, model.get_layer("rfam_high").output[0])
    # 2 x 2 pixels: each is a patch of its own, at the upper left.
    strongest = fused.predict(images, verbose=0).clip(0).mean(axis=-1).reshape(FACES, 4).argmax(1)
    counts = np.bincount(strongest, minlength=4).reshape(2, 2)
    np.testing.assert_array_equal(np.array(rows["Face2Face"]["most_predictive"])[:2, :2], counts)

    fewer = trained.found(4, "--faces", 3)
    assert {row["faces"] for row in fewer["rows"].values()} == {3}


@pytest.mark.long
def test_figure5_maps_are_those_of_the_named_layers(trained):
    row, example = trained.shown(5, "Deepfakes")
    whole, baseline = trained.network(whole=True), trained.network(whole=False)
    expected = {"baseline": baseline.get_layer("pool").input}
    for level in ("mid", "high"):
        _, rgb, frequency = whole.get_layer(f"rfam_{level}").output
        expected |= {f"rgb_{level}": rgb, f"frequency_{level}": frequency}
    assert set(row["maps"]) <= set(expected)
    assert len(row["maps"]) >= 3
    for name, numbers in row["maps"].items():
        model = baseline if name == "baseline" else whole
        maps = keras.Model(model.inputs, expected[name]).predict(example["image"][None], verbose=0)
        assert numbers["mean"] == pytest.approx(float(np.abs(maps).mean()), rel=1e-4)
        greatest = float(np.abs(maps[0]).mean(axis=-1).max())
        assert numbers["greatest"] == pytest.approx(greatest, rel=1e-4)
        assert greatest <= trained.found(5)["greatest"][name] * 1.0001


@pytest.mark.long
def test_figure6_measures_are_means_over_the_faces(trained):
    found = trained.found(6)
    assert found["faces"] == dict.fromkeys(REGIONS, FACES)
    assert set(found["measures"]["all"]) == set(disturbances.DISTURBANCES)
    examples = list(trained.examples("NeuralTextures").values())
    for network, whole in (("baseline", False), ("whole network", True)):
        images = np.stack([example["image"] for example in examples])
        predicted = trained.network(whole).predict(images, verbose=0)["mask"].reshape(FACES, -1)
        expected = {"error": [], "auc": [], "iou": []}
        for mask, values in zip(examples, predicted, strict=True):
            mask = mask["mask"].reshape(-1)
            inside, outside = values[mask == 1], values[mask == 0]
            rank = mannwhitneyu(inside, outside).statistic
            expected["auc"].append(rank / (len(inside) * len(outside)))
            expected["iou"].append(jaccard_score(mask, values > 0.5, zero_division=0))
            expected["error"].append(((1 - inside).sum() + outside.sum()) / mask.size)
        for measure, values in expected.items():
            mine = found["measures"]["NeuralTextures"]["none"][network][measure]
            assert mine == pytest.approx(np.mean(values), abs=1e-4), measure
        for disturbance in disturbances.DISTURBANCES:
            each = [found["measures"][kind][disturbance][network]["error"] for kind in REGIONS]
            together = found["measures"]["all"][disturbance][network]["error"]
            assert together == pytest.approx(np.mean(each), abs=1e-9)

    assert trained.found(6, "--faces", 5)["faces"] == dict.fromkeys(REGIONS, 2)


@pytest.mark.parametrize("number", [4, 6])
def test_a_figure_of_no_faces_is_refused(tmp_path, capsys, number):
    with pytest.raises(SystemExit, match="2"):
        main(number, tmp_path / "out", "--ffpp", tmp_path, "--faces", 0)
    assert "--faces: must be a whole number from 1. Received: 0" in capsys.readouterr().err


@pytest.mark.parametrize("number", [3, 4, 5, 6])
def test_a_figure_without_its_dataset_says_what_is_missing(tmp_path, capsys, number):
    assert main(number, tmp_path / "out", "--ffpp", tmp_path / "nothing", "--smoke") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"experiments.figure{number}: error: {tmp_path / 'nothing'}")


def clip(method, video, kept, **others):
    common = {"split": "test", "label": int(method != "real"), "compression": "c40", "path": video}
    return {**common, "method": method, "video": video, "kept": kept, "shard": "a", **others}


CLIPS = [
    clip("real", "1", [0, 4]),
    clip("Other", "1_2", [1]),
    clip("FaceSwap", "1_2", [0, 2, 9]),
    clip("real", "7", [3], split="val"),
    clip("Deepfakes", "1_2", [5], unpaired="its real video is not on disk"),
    clip("real", "2", [8], shard="b"),
    clip("FaceSwap", "2_1", []),
    clip("FaceSwap", "3_1", [6]),
]
MANIFEST = {"source": "faceforensics", "arguments": {"image_size": 64}, "counts": {}, "shards": []}
RECORDS = Records("records", {**MANIFEST, "clips": CLIPS}, "")


def test_faces_have_the_places_that_shards_hold_them_at():
    found = figure.tested_faces(RECORDS, masked=False)
    assert list(found) == ["real", "Deepfakes", "FaceSwap", "Other"]
    places = [(place.shard, place.position, place.video, place.frame) for place in found["real"]]
    assert places == [("a", 0, "1", 0), ("a", 1, "1", 4), ("b", 0, "2", 8)]
    assert [place.position for place in found["FaceSwap"]] == [3, 4, 5, 8]
    masked = figure.tested_faces(RECORDS, masked=True)
    assert masked == {kind: places for kind, places in found.items() if kind != "Deepfakes"}
    assert figure.absent(masked, masked=True)[0].startswith("Deepfakes: no test face of which")


def test_a_draw_is_the_same_each_time_and_begins_a_larger_one():
    places = [figure.Place("a", number, "real", "1", number) for number in range(200)]
    few, many = figure.draw("real", places, 5), figure.draw("real", places, 150)
    assert few == many[:5]
    assert len(set(many)) == 150
    assert figure.draw("real", places, 999) != places
    assert set(figure.draw("real", places, 999)) == set(places)
    assert figure.draw("Deepfakes", places, 5) != few


def test_the_most_predictive_patch_has_the_greatest_mean_of_what_is_above_0():
    maps = np.zeros((4, 10, 10, 3), np.float32)
    maps[0, 6:8, 2:4] = 1
    maps[0, 0, 0] = 3  # Stronger, but of one pixel of four.
    maps[1] = 0.1
    maps[1, 8:, 8:, 0], maps[1, 8:, 8:, 1:] = 1, -5
    maps[2] = -1
    maps[3, 9, 0, 2] = 0.5
    assert figure4.most_predictive(maps, 5) == [(3, 1), (4, 4), (-1, -1), (4, 0)]


def test_small_patches_at_the_border_are_not_weaker_for_it():
    maps = np.ones((1, 7, 7, 1), np.float32)
    maps[0, 6, 6] = 1.5  # The last of 4 x 4 patches of 2 x 2 pixels has one pixel.
    assert figure4.most_predictive(maps, 4) == [(3, 3)]
    maps = np.arange(4, dtype=np.float32).reshape(1, 2, 2, 1)
    assert figure4.most_predictive(maps, 5) == [(1, 1)]


def test_the_strength_of_a_map_counts_either_sign():
    maps = np.zeros((1, 2, 2, 4), np.float32)
    maps[0, 0, 0], maps[0, 1, 1] = [3, -3, 1, -1], 2
    np.testing.assert_array_equal(figure5.strength(maps), [[[2, 0], [0, 2]]])


def test_patches_are_shuffled_whole_and_the_mask_with_them():
    picture = np.arange(36, dtype=np.uint8).reshape(6, 6)
    turned = disturbances.shuffled(picture, 3, [8, 1, 2, 3, 4, 5, 6, 7, 0])
    np.testing.assert_array_equal(turned[:2, :2], picture[4:, 4:])
    np.testing.assert_array_equal(turned[4:, 4:], picture[:2, :2])
    np.testing.assert_array_equal(turned[2:4], picture[2:4])
    order = np.random.default_rng(0).permutation(9)
    image = np.stack([picture, 255 - picture, picture], axis=-1)
    image = disturbances.shuffled(image, 3, order)
    np.testing.assert_array_equal(image[..., 0], disturbances.shuffled(picture, 3, order))
    back = disturbances.shuffled(image, 3, np.argsort(order))
    np.testing.assert_array_equal(back[..., 0], picture)


def test_patches_that_do_not_divide_the_face_keep_its_size():
    picture = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(disturbances.shuffled(picture, 5, np.arange(25)), picture)
    order = np.roll(np.arange(25), -1)
    turned = disturbances.shuffled(picture, 5, order)
    np.testing.assert_array_equal(turned[:13, :13], picture[:13, 13:26])
    np.testing.assert_array_equal(turned[52:, 52:], picture[:12, :12])
    # The last column of patches is one pixel short, which its own border fills.
    np.testing.assert_array_equal(turned[:13, 39:51], picture[:13, 52:])
    np.testing.assert_array_equal(turned[:13, 51], picture[:13, 63])


def test_random_patches_differ_by_face_and_not_by_call():
    image = np.random.default_rng(0).integers(256, size=(40, 40, 3), dtype=np.uint8)
    mask = (image[..., 0] > 127).astype(np.float32)

    def disturbed(name, frame):
        place = figure.Place("a", 0, "FaceSwap", "1_2", frame)
        return disturbances.disturb(image, mask, name, place, 5)

    for name in disturbances.DISTURBANCES:
        changed, changed_mask = disturbed(name, 1)
        np.testing.assert_array_equal(changed, disturbed(name, 1)[0])
        assert (changed != image).any() == (name != "none")
        if name == "random patch":
            np.testing.assert_array_equal(changed_mask, (changed[..., 0] > 127).astype(np.float32))
        else:
            np.testing.assert_array_equal(changed_mask, mask)
        if name in ("random patch", "gaussian noise"):
            assert (changed != disturbed(name, 2)[0]).any()


def test_measures_of_a_mask():
    mask = np.zeros((4, 4), np.float32)
    mask[:2, :2] = 1
    assert figure6.measures(mask, mask) == (0, 1, 1)
    assert figure6.measures(mask, 1 - mask) == (1, 0, 0)
    assert figure6.measures(mask, np.full((4, 4), 0.25, np.float32)) == (0.375, 0.5, 0)
    half = np.zeros((4, 4), np.float32)
    half[:2] = 0.75
    error, auc, iou = figure6.measures(mask, half)
    assert error == pytest.approx((4 * 0.25 + 4 * 0.75) / 16)
    assert (auc, iou) == (pytest.approx((8 + 4 * 0.5) / 12), 0.5)


@pytest.mark.parametrize("block", [None, 2])
def test_a_sheet_has_a_row_for_each_label(tmp_path, block):
    gray = np.full((30, 30, 3), 90, np.uint8)
    sheet = image_grids.Sheet(["real", "forged\nscore 0.9", "c", "d"], ["face", "mask"], block)
    for row in range(4):
        sheet.face(row, 0, gray)
        sheet.map(row, 1, np.full((5, 5), 0.5), "inferno")
    sheet.bar("inferno", (0, 1), "0 real, 1 forged")
    sheet.save(tmp_path / "sheet.png")
    assert bands(tmp_path / "sheet.png") == 4
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
