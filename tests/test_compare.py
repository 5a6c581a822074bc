"""`compare`: its numbers against references made from the scores, its files, its errors."""

import csv
import json
import shutil

import keras
import networks
import numpy as np
import photographs
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import lrl_keras
from lrl_keras.cli import main
from lrl_keras.errors import InputError
from lrl_keras.evaluation import candidates, compare, comparison_tables, significance
from lrl_keras.evaluation.evaluator import evaluate
from lrl_keras.evaluation.score_comparison import compare_scores
from lrl_keras.models import build

pytestmark = pytest.mark.tensorflow
METHODS = {"real": 8, "Deepfakes": 6, "FaceSwap": 5}


def faces(detectors=("ours", "theirs", "third"), methods=METHODS, seed=0):
    """Columns by detector: several frames a video, the later detectors the worse."""
    rng = np.random.default_rng(seed)
    keys = [
        (method, f"{number:03}", frame)
        for method, count in methods.items()
        for number in range(count)
        for frame in range(3 + number % 4)
    ]
    method, video, frame = map(np.array, zip(*keys, strict=True))
    label = (method != "real").astype(int)
    known = {"label": label, "dataset": np.full(len(keys), "set"), "method": method}
    known |= {"video": video, "frame": frame.astype(int)}
    return {
        name: {"score": 1 / (1 + np.exp(-rng.normal(label - 0.5, 0.7 + place))), **known}
        for place, name in enumerate(detectors)
    }


def of_videos(columns):
    """Mean scores and labels by (method, video), in no order that counts."""
    rows = {}
    for method, video, label, score in zip(
        *(columns[name] for name in ("method", "video", "label", "score")), strict=True
    ):
        rows.setdefault((method, video), (label, []))[1].append(score)
    labels, scores = zip(*rows.values(), strict=True)
    return np.array(labels), np.array([np.mean(each) for each in scores])


def test_numbers_by_hand():
    columns = faces()
    result = compare_scores(columns, resamples=300, seed=4)
    assert result["videos"] == {"real": 8, "forged": 11}
    assert result["faces"]["real"] == (columns["ours"]["label"] == 0).sum()
    keys = list(zip(columns["ours"]["method"], columns["ours"]["video"], strict=True))
    numbers = [keys.index(key) for key in keys]
    for name, frames in columns.items():
        run, labels = result["runs"][name], frames["label"]
        frame, (video_labels, video_scores) = run["frame"]["overall"], of_videos(frames)
        assert frame["auc"] == pytest.approx(roc_auc_score(labels, frames["score"]))
        assert run["video"]["overall"]["auc"] == pytest.approx(
            roc_auc_score(video_labels, video_scores)
        )
        _, drawn = significance.bootstrap_auc(
            labels, frames["score"], numbers, resamples=300, seed=4
        )
        assert frame["auc_interval"] == significance.interval(drawn[0])
        for method in ("Deepfakes", "FaceSwap"):
            rows = np.isin(frames["method"], ("real", method))
            found = run["frame"]["methods"][method]
            assert found["auc"] == pytest.approx(roc_auc_score(labels[rows], frames["score"][rows]))
            least, most = found["auc_interval"]
            assert 0 <= least < found["auc"] < most <= 1


def test_differences_by_hand():
    columns = faces()
    result = compare_scores(columns, resamples=300)
    pairs = [(each["first"], each["second"]) for each in result["differences"]]
    assert pairs == [("ours", "theirs"), ("ours", "third"), ("theirs", "third")]
    for each in result["differences"]:
        one, other = (result["runs"][each[place]] for place in ("first", "second"))
        for level in ("frame", "video"):
            aucs = [run[level]["overall"]["auc"] for run in (one, other)]
            assert each[level]["difference"] == pytest.approx(aucs[0] - aucs[1])
            least, most = each[level]["interval"]
            assert least <= each[level]["difference"] <= most
        labels, first = of_videos(columns[each["first"]])
        expected = significance.delong(labels, first, of_videos(columns[each["second"]])[1])
        assert each["video"]["interval"] == pytest.approx(expected[1])
        assert each["video"]["p"] == pytest.approx(expected[2])
    for level in ("frame", "video"):
        plain = [each[level]["p"] for each in result["differences"]]
        corrected = [each[level]["p_holm"] for each in result["differences"]]
        assert corrected == significance.holm(plain)
        assert all(p <= q for p, q in zip(plain, corrected, strict=True))


def test_a_detector_has_the_same_interval_in_any_company():
    columns = faces()
    together = compare_scores(columns, resamples=100)["runs"]["third"]
    alone = compare_scores({"third": columns["third"]}, resamples=100)
    assert alone["runs"]["third"] == together
    assert alone["differences"] == []


def test_a_detector_does_not_differ_from_itself():
    columns = faces(("one",))
    result = compare_scores({"one": columns["one"], "copy": columns["one"]}, resamples=100)
    (found,) = result["differences"]
    for level in ("frame", "video"):
        assert found[level] == {"difference": 0, "interval": (0, 0), "p": 1, "p_holm": 1}


def test_pairs_with_the_first():
    result = compare_scores(faces(), resamples=100, pairs="first")
    assert [each["second"] for each in result["differences"]] == ["theirs", "third"]
    with pytest.raises(InputError, match="'none'"):
        compare_scores(faces(), pairs="none")


def test_a_single_video_has_no_interval_and_says_so():
    result = compare_scores(faces(methods={"real": 1, "FaceSwap": 6}), resamples=100)
    for run in result["runs"].values():
        assert run["frame"]["overall"]["auc_interval"] is None
        assert run["video"]["methods"]["FaceSwap"]["auc_interval"] is None
    assert {each["video"]["p"] for each in result["differences"]} == {None}
    assert any("a single real video" in line for line in comparison_tables.notes(result))
    assert "NaN" not in json.dumps(result)
    assert "nan" not in comparison_tables.markdown(result)


def test_a_method_of_a_single_video_has_none_alone():
    result = compare_scores(
        faces(methods={"real": 4, "FaceSwap": 3, "NeuralTextures": 1}), resamples=100
    )
    methods = result["runs"]["ours"]["frame"]["methods"]
    assert methods["NeuralTextures"]["auc_interval"] is None
    assert methods["FaceSwap"]["auc_interval"] is not None
    assert result["runs"]["ours"]["frame"]["overall"]["auc_interval"] is not None
    assert any("NeuralTextures" in line for line in comparison_tables.notes(result))


def test_what_intervals_and_p_cannot_show_is_said():
    columns = faces(("sure", "none"))
    columns["sure"] = {**columns["sure"], "score": columns["sure"]["label"] * 0.8 + 0.1}
    result = compare_scores(columns, resamples=100)
    assert result["runs"]["sure"]["frame"]["overall"]["auc_interval"] == (1, 1)
    text = " ".join(comparison_tables.notes(result))
    assert "without width" in text
    assert "p of frames is 0.02 at least with 100 resamples" in text
    chance = np.random.default_rng(1).random(columns["none"]["score"].size)
    unsure = {name: {**columns["none"], "score": chance} for name in ("one", "same")}
    said = " ".join(comparison_tables.notes(compare_scores(unsure, resamples=100)))
    assert "without width" not in said
    assert "at least" not in said


def test_other_faces_are_refused():
    columns = faces(("one", "other"))
    columns["other"] = {**columns["other"], "video": columns["other"]["video"][::-1]}
    with pytest.raises(ValueError, match="'other'"):
        compare_scores(columns)


def test_tables_say_which_p_is_which():
    text = comparison_tables.markdown(compare_scores(faces(), resamples=123, seed=5))
    for words in (
        "123 resamples", "seed 5", "8 real and 11 forged videos", "DeLong", "not corrected",
        "for the 3 pairs of its column", "Deepfakes 6, FaceSwap 5", "AUC of videos by method",
    ):  # fmt: skip
        assert words in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert [len({line.count("|") for line in table}) for table in tables] == [1] * 4


def _network(detector, size, seed, **options):
    keras.utils.set_random_seed(seed)
    return networks.lively(build(detector, backbone="tiny", image_size=size, **options))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of one name, of other detectors and input sizes."""
    folder = tmp_path_factory.mktemp("runs")
    models = {"a/best": ("lrl", 64, 1, {"patches": 4})}
    models |= {"b/best": ("classifier", 48, 2, {"weights": None})}
    for name, (detector, size, seed, options) in models.items():
        (folder / name).parent.mkdir()
        lrl_keras.save(_network(detector, size, seed, **options), folder / name)
    return [str(folder / name) for name in models]


@pytest.fixture(scope="module")
def compared(runs, photograph_records, tmp_path_factory):
    out = tmp_path_factory.mktemp("compared")
    arguments = ["compare", *runs, "--records", str(photograph_records), "--split", "train"]
    assert main([*arguments, "--out", str(out), "--resamples", "100"]) == 0
    return out, json.loads((out / "comparison.json").read_text())


def test_files(compared, photograph_records):
    out, result = compared
    assert {path.name for path in out.iterdir()} == {
        "a-best", "b-best", "comparison.json", "comparison.md", "roc.png",
    }  # fmt: skip
    assert list(result["runs"]) == ["a-best", "b-best"]
    assert result["videos"] == {"real": 2, "forged": 6}
    assert result["manifest_sha256"] == lrl_keras.data.Records.open(photograph_records).fingerprint
    with Image.open(out / "roc.png") as picture:
        assert min(picture.size) > 200
    columns = {}
    for name in result["runs"]:
        with open(out / name / "scores.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        kinds = {"score": float, "label": int}
        columns[name] = {
            key: np.array([kinds.get(key, str)(row[key]) for row in rows]) for key in rows[0]
        }
    again = json.loads(json.dumps(compare_scores(columns, resamples=100)))
    assert again["differences"] == result["differences"]
    for name, run in again["runs"].items():
        assert {level: result["runs"][name][level] for level in run} == run


def test_each_run_is_scored_as_evaluate_does(compared, runs, photograph_records):
    first, run = compared[1]["runs"].values()
    assert (first["path"], first["detector"], first["image_size"]) == (runs[0], "lrl", 64)
    model = lrl_keras.load(runs[1])
    expected = evaluate(model, photograph_records, "train", progress=False)
    for level in ("frame", "video"):
        found = {k: v for k, v in run[level]["overall"].items() if k != "auc_interval"}
        assert found == pytest.approx(expected[level]["overall"])
    assert (run["path"], run["detector"], run["image_size"]) == (runs[1], "classifier", 48)
    assert run["parameters"] == model.count_params()
    assert run["multiply_adds"] == lrl_keras.models.multiply_adds(model)["total"]


def _again(out, runs, records, **options):
    options = {"resamples": 100, "progress": False, **options}
    return compare(runs, records, "train", out=out, **options)


def test_scores_that_are_there_are_not_made_again(
    compared, runs, photograph_records, tmp_path, monkeypatch
):
    opened = []
    original = candidates.TrainedRun.opened

    def counted(self):
        opened.append(self.path)
        return original(self)

    monkeypatch.setattr(candidates.TrainedRun, "opened", counted)
    out, before = tmp_path / "out", compared[1]
    shutil.copytree(compared[0], out)
    assert json.loads(json.dumps(_again(out, runs, photograph_records))) == before
    assert opened == []
    scores = out / "b-best" / "scores.csv"
    scores.write_text(scores.read_text().replace("0.", "1.", 1))
    assert json.loads(json.dumps(_again(out, runs, photograph_records))) == before
    assert opened == runs[1:]
    _again(out, runs[1:], photograph_records)
    assert opened == 2 * runs[1:]
    _again(out, runs[1:], photograph_records, methods=["FaceSwap"])
    assert opened == 3 * runs[1:]


def test_other_weights_are_scored_anew(runs, photograph_records, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(runs[1], run)
    before = _again(out, [run], photograph_records)["runs"]["run"]
    shutil.rmtree(run)
    lrl_keras.save(_network("classifier", 48, 7, weights=None), run)
    after = _again(out, [run], photograph_records)["runs"]["run"]
    assert after["weights_sha256"] != before["weights_sha256"]
    assert after["frame"] != before["frame"]


def test_table_and_json(compared, runs, photograph_records, capsys):
    out, result = compared
    arguments = ["compare", *runs, "--records", str(photograph_records), "--split", "train"]
    arguments += ["--out", str(out), "--resamples", "100"]
    assert main(arguments) == 0
    text = capsys.readouterr().out
    for name, run in result["runs"].items():
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name}  "))
        overall = run["frame"]["overall"]
        assert line.split()[1:3] == [run["detector"], f"{100 * overall['auc']:.2f}"]
        assert f"[{100 * overall['auc_interval'][0]:.2f}, " in line
    assert "a-best - b-best" in text
    assert "2 real and 6 forged videos" in text
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result


def test_without_out_nothing_is_written(runs, photograph_records, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    # The split `test` has one real video and three forged ones of a method each.
    assert main(["compare", runs[1], "--records", str(photograph_records)]) == 0
    text = capsys.readouterr().out
    assert "a single real video" in text
    assert "Differences" not in text
    assert list(tmp_path.iterdir()) == []


def test_one_that_cannot_be_loaded_is_named_and_the_others_stay(
    runs, photograph_records, tmp_path, capsys
):
    broken = tmp_path / "broken"
    shutil.copytree(runs[1], broken)
    weights = broken / "best.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-100])
    out = tmp_path / "out"
    command = ["compare", runs[1], str(broken), "--records", str(photograph_records)]
    assert main([*command, "--out", str(out)]) == 1
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "error" in line)
    assert str(weights) in line
    assert (out / "best" / "scores.json").is_file()
    assert not (out / "comparison.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}", "{run}/."], "named twice"),
        (["{run}", "{tmp}/none"], "none/config.json: not found"),
        (["{run}", "{tmp}"], "config.json: not found"),
        (["default", "default"], "default: is named twice"),
        (["{run}", "{tmp}/notes.txt"], "notes.txt: expected"),
        (["{run}", "--split", "val", "--methods", "NoSuch"], "NoSuch"),
        (["{run}", "--records", "{tmp}"], "manifest.json"),
        (["{run}", "--records", "{real}"], "3 real and 0 forged"),
        (["{run}", "--records", "{real}", "--split", "val"], "split 'val' holds no examples"),
        (["{run}", "--records", "{damaged}"], "damaged, its SHA-256"),
        (["{run}", "--out", "{tmp}/notes.txt"], "notes.txt"),
    ],
)
def test_mistakes_are_one_line(arguments, message, runs, photograph_records, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("no network")
    real = list(photographs.clip(photographs.data.coffee(), "coffee", "real", 3))
    photographs.write_records(tmp_path / "real", [("test", real)])
    shutil.copytree(photograph_records, tmp_path / "damaged")
    shard = next((tmp_path / "damaged").glob("test-*"))
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    places = {"run": runs[1], "tmp": tmp_path}
    places |= {name: tmp_path / name for name in ("real", "damaged")}
    filled = [each.format(**places) for each in arguments]
    assert main(["compare", "--records", str(photograph_records), *filled]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.startswith("lrl-keras: error: ")]
    assert len(lines) == 1
    assert message in lines[0]
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("options", [[], ["--records", "r", "--resamples", "5"]])
def test_wrong_usage(options, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["compare", "run", *options])
    assert caught.value.code == 2
    assert "usage: lrl-keras compare" in capsys.readouterr().err


@pytest.mark.long
def test_an_exported_file_and_speed(runs, photograph_records, tmp_path, capsys):
    pytest.importorskip("tf2onnx")
    file = lrl_keras.export.export(lrl_keras.load(runs[1]), tmp_path / "export", "onnx")
    command = ["compare", runs[1], file, "--records", str(photograph_records), "--split", "train"]
    assert main([*command, "--out", str(tmp_path / "out"), "--speed", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((tmp_path / "out" / "comparison.json").read_text())
    trained, exported = result["runs"].values()
    assert (trained["detector"], exported["detector"]) == ("classifier", "classifier")
    assert exported["parameters"] is None
    assert exported["frame"]["overall"]["auc"] == pytest.approx(trained["frame"]["overall"]["auc"])
    assert min(run["images_per_second"] for run in (trained, exported)) > 0
    assert "images/s" in (tmp_path / "out" / "comparison.md").read_text()
