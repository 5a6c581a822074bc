"""Training from records, killed and resumed."""

import collections
import fcntl
import json
import shutil
import signal
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace
from typing import ClassVar

import h5py
import keras
import numpy as np
import pytest
import skimage.data

import lrl_keras
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError
from lrl_keras.evaluation.evaluator import evaluate
from lrl_keras.media import images
from lrl_keras.models import DETECTORS
from lrl_keras.optimizers import AdamL2, Halving
from lrl_keras.plots import drawing
from lrl_keras.prediction.predictor import predict
from lrl_keras.saving import checkpoints
from lrl_keras.saving.run import BEST, CONFIG
from lrl_keras.training import callbacks, trainer
from lrl_keras.training.cpu import fixed_sums, fused_norm
from lrl_keras.training.cpu.repeatable import repeatable
from lrl_keras.training.trainer import Settings, train

SMALL = {
    "backbone": "tiny",
    "weights": None,
    "image_size": 64,
    "patches": 4,
    # Half the graph, which takes most of the time to trace; tests/test_callbacks.py has all of it.
    "frequency": False,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "halve_every": 1,
}


@pytest.fixture(scope="module")
def finished(photograph_records, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "finished"
    model = train(photograph_records, run, Settings(**SMALL), verbose=0)
    return run, model


def test_run_directory_is_complete(finished):
    run, model = finished
    assert {path.name for path in run.iterdir()} >= {
        "config.json",
        "best.weights.h5",
        "checkpoints",
        "history.csv",
        "logs",
    }
    rows = (run / "history.csv").read_text().splitlines()
    assert len(rows) == 1 + SMALL["epochs"]
    rates = [float(row.split(",")[rows[0].split(",").index("learning_rate")]) for row in rows[1:]]
    np.testing.assert_allclose(rates, [1e-3, 5e-4], rtol=1e-6)
    assert model.crop_size == 48


def test_loaded_run_gives_the_best_epochs_scores(finished):
    run, model = finished
    with h5py.File(run / "best.weights.h5") as file:
        best = json.loads(file.attrs["lrl_keras"])["epoch"]
    loaded = lrl_keras.load(run)
    images = np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype("float32")
    if best == SMALL["epochs"]:
        expected = model.predict(images, verbose=0)["label"]
        np.testing.assert_allclose(loaded(images)["label"], expected, atol=1e-6)
    for mode in (None, False):
        np.testing.assert_allclose(
            loaded(images, training=mode)["label"],
            loaded.predict(images, verbose=0)["label"],
            atol=1e-5,
        )


def test_same_arguments_give_the_same_weights(finished, photograph_records, tmp_path):
    run, _ = finished
    train(photograph_records, tmp_path / "again", Settings(**SMALL), verbose=0)
    _assert_same_state(run, tmp_path / "again", SMALL["epochs"])


def test_compile_and_fit_train_what_the_command_trains(finished, photograph_records):
    _, trained = finished
    settings = Settings(**SMALL)
    batches = {"batch_size": settings.batch_size, "image_size": settings.image_size}
    with repeatable(settings.seed):
        model = lrl_keras.LRL(
            **settings.of(("backbone", "weights", "image_size", "patches", "frequency"))
        )
        # `train` computes so on a CPU, with other last bits.
        fused_norm.fuse(model)
        fixed_sums.fix(model)
        schedule = Halving(halve_every=settings.halve_every)
        model.compile(AdamL2(settings.learning_rate), schedule=schedule)
        model.fit(
            lrl_keras.data.load(photograph_records, split="train", **batches),
            epochs=settings.epochs,
            verbose=0,
        )
    for ours, theirs in zip(model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_detector_may_have_another_default_of_a_schedules_option(photograph_records, monkeypatch):
    class Slow(lrl_keras.LRL):
        DEFAULTS: ClassVar = {"halve_every": 7}

    monkeypatch.setitem(DETECTORS, "slow", Slow)
    given = {name: SMALL[name] for name in ("backbone", "weights", "image_size", "patches")}
    settings = Settings("slow", **given)
    assert settings.halve_every == 7
    assert trainer.build(settings, Records.open(photograph_records)).image_size == 64


def test_options_of_another_schedule_are_refused():
    with pytest.raises(InputError, match=r"warmup is an option of `schedule=cosine`"):
        Settings(warmup=3)
    assert Settings(schedule="cosine", warmup=3).warmup == 3
    with pytest.raises(InputError, match="schedule must be one of"):
        Settings(schedule="step", step_at=3)


def test_resume_continues_bit_for_bit(finished, photograph_records, tmp_path):
    run, _ = finished
    half = tmp_path / "half"
    train(photograph_records, half, Settings(**{**SMALL, "epochs": 1}), verbose=0)
    train(photograph_records, half, Settings(**SMALL), resume=True, verbose=0)
    _assert_same_state(run, half, SMALL["epochs"])
    assert (half / "history.csv").read_text() == (run / "history.csv").read_text()


def test_training_starts_from_another_run(finished, photograph_records, tmp_path):
    run, _ = finished
    still = {**SMALL, "epochs": 1, "learning_rate": 1e-12, "weight_decay": 0.0}
    start = lrl_keras.load(run).trainable_variables
    model = train(photograph_records, tmp_path / "a", Settings(**still, start=str(run)), verbose=0)
    for before, after in zip(start, model.trainable_variables, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)
    others = Settings(**{**still, "frequency": True, "start": str(run)})
    with pytest.raises(InputError, match=r"best\.weights\.h5: does not fit the network") as caught:
        train(photograph_records, tmp_path / "b", others, verbose=0)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(
        "give `frequency=False`, `rfam=False` of that run, or another run"
    )
    (unfinished := tmp_path / "unfinished").mkdir()
    shutil.copy(run / CONFIG, unfinished)
    with pytest.raises(InputError, match=r"best\.weights\.h5: not found.*`resume=True`"):
        lrl_keras.load(unfinished)
    with pytest.raises(InputError, match=r"nowhere/config\.json: not found"):
        train(photograph_records, tmp_path / "c", Settings(**still, start="nowhere"), verbose=0)
    moved = shutil.copytree(run, tmp_path / "moved")
    again = Settings(**still, start=str(moved))
    train(photograph_records, tmp_path / "a", again, resume=True, verbose=0)
    other = Settings(**still, start=str(tmp_path / "a"))
    with pytest.raises(InputError, match="was started with start="):
        train(photograph_records, tmp_path / "a", other, resume=True, verbose=0)


@pytest.mark.long
def test_records_and_runs_behind_urls_are_as_local_ones(finished, photograph_records, tmp_path):
    run, _ = finished
    url, records = f"file://{tmp_path}/run", f"file://{photograph_records}"
    train(records, url, Settings(**{**SMALL, "epochs": 1}), verbose=0)
    with pytest.raises(InputError, match="holds a run already"):
        train(records, url, Settings(**SMALL), verbose=0)
    train(records, url, Settings(**SMALL), resume=True, verbose=0)
    _assert_same_state(run, tmp_path / "run", SMALL["epochs"])
    images = np.random.default_rng(0).uniform(0, 255, (3, 64, 64, 3)).astype("float32")
    outputs = [lrl_keras.load(place)(images) for place in (run, url)]
    for name in outputs[0]:
        np.testing.assert_array_equal(*(each[name] for each in outputs))
    places = tmp_path / "local", f"file://{tmp_path}/remote"
    figures = [evaluate(lrl_keras.load(url), records, out=place) for place in places]
    assert figures[0] == figures[1]
    written = [{path.name for path in (tmp_path / name).iterdir()} for name in ("local", "remote")]
    assert written[0] == written[1] == {"metrics.json", "scores.csv", "roc.png", "scores.png"}


OF_LRL = ("patches", "frequency")
CLASSIFIER = {name: value for name, value in SMALL.items() if name not in OF_LRL} | {
    "detector": "classifier"
}


def test_the_baseline_is_trained_measured_and_predicts_alike(photograph_records, tmp_path):
    run = tmp_path / "run"
    train(photograph_records, run, Settings(**CLASSIFIER), verbose=0)
    rows = (run / "history.csv").read_text().splitlines()
    assert {"loss", "val_label_auc", "val_label_accuracy", "val_label_eer"} <= set(
        rows[0].split(",")
    )
    model = lrl_keras.load(run)
    assert type(model).__name__ == "Classifier"
    assert model.crop_size == 48
    figures = evaluate(model, photograph_records)
    assert figures["detector"] == "classifier"
    picture = tmp_path / "face.png"
    drawing.save_png(skimage.data.astronaut()[:200, 100:300], picture)
    (found,) = predict(model, picture, crop="none", overlay=tmp_path / "overlay")
    assert 0 <= found["score"] <= 1
    assert images.read_image(found["overlay"]).shape == (200, 200, 3)


@pytest.mark.parametrize(
    ("size", "patches", "even"), [(160, 5, True), (96, 3, True), (64, 5, False)]
)
def test_patches_that_do_not_divide_the_map_are_warned_of(size, patches, even):
    settings = Settings(**{**SMALL, "image_size": size, "patches": patches})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.build(settings, SimpleNamespace(image_size=size, margin=None))
    texts = [str(each.message) for each in caught if each.category is UserWarning]
    if even:
        assert texts == []
    else:
        (text,) = texts
        assert "image_size=64 gives a last map of 2 x 2 pixels" in text
        assert "image_size=160 or 320 would fit" in text


@pytest.mark.long
def test_the_head_is_trained_alone_at_first(photograph_records, tmp_path):
    def stage_and_head(epochs, resume=False):
        settings = Settings(**{**CLASSIFIER, "epochs": epochs, "head_epochs": 1})
        model = train(photograph_records, tmp_path / "run", settings, resume=resume, verbose=0)
        return [stage.get_weights() for stage in model.stages], model.get_layer(
            "label"
        ).get_weights()

    keras.utils.set_random_seed(0)
    crop = SimpleNamespace(image_size=48, margin=None)
    start = trainer.build(Settings(**CLASSIFIER), crop)
    backbone, head = stage_and_head(1)
    for stage, before in zip(backbone, start.stages, strict=True):
        for ours, theirs in zip(stage, before.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(head[0], start.get_layer("label").get_weights()[0])
    later, _ = stage_and_head(2, resume=True)
    changed = [
        not np.array_equal(ours, theirs)
        for stage, before in zip(later, backbone, strict=True)
        for ours, theirs in zip(stage, before, strict=True)
    ]
    assert all(changed)
    whole = Settings(**{**CLASSIFIER, "head_epochs": 1})
    train(photograph_records, tmp_path / "whole", whole, verbose=0)
    _assert_same_state(tmp_path / "whole", tmp_path / "run", 2)


def test_a_frozen_norm_stays_as_it_was_at_the_start(photograph_records, tmp_path):
    settings = Settings(**{**CLASSIFIER, "epochs": 2, "head_epochs": 1, "frozen_norm": True})
    model = train(photograph_records, tmp_path / "run", settings, verbose=0)
    keras.utils.set_random_seed(0)
    start = trainer.build(settings, SimpleNamespace(image_size=48, margin=None))
    kinds = collections.Counter()
    for stage, before in zip(model.stages, start.stages, strict=True):
        for layer, other in zip(stage.layers, before.layers, strict=True):
            norm = isinstance(layer, keras.layers.BatchNormalization)
            for ours, theirs in zip(layer.get_weights(), other.get_weights(), strict=True):
                kinds[norm, np.array_equal(ours, theirs)] += 1
    assert set(kinds) == {(True, True), (False, False)}


@pytest.mark.long
def test_the_average_of_the_weights_is_kept(photograph_records, tmp_path):
    everything = int(lrl_keras.data.load(photograph_records, "train", 1).cardinality())
    one_step = {**CLASSIFIER, "batch_size": everything}

    def weights(name, epochs, averaging, resume=False):
        settings = Settings(**{**one_step, "epochs": epochs, "averaging": averaging})
        model = train(photograph_records, tmp_path / name, settings, resume=resume, verbose=0)
        return [variable.numpy() for variable in model.trainable_variables]

    first, second = weights("one", 1, 0.0), weights("two", 2, 0.0)
    averages = weights("averaged", 2, 0.75)
    for before, after, average in zip(first, second, averages, strict=True):
        np.testing.assert_allclose(average, 0.75 * before + 0.25 * after, rtol=1e-5, atol=1e-7)
    weights("halves", 1, 0.75)
    for whole, resumed in zip(averages, weights("halves", 2, 0.75, resume=True), strict=True):
        np.testing.assert_array_equal(whole, resumed)
    _assert_same_state(tmp_path / "averaged", tmp_path / "halves", 2)


@pytest.mark.long
def test_one_method_is_trained_on_and_resumed(photograph_records, tmp_path):
    settings = Settings(**{**SMALL, "epochs": 1, "methods": ["FaceSwap"]})
    train(photograph_records, tmp_path / "run", settings, verbose=0)
    assert trainer.saved_settings(tmp_path / "run").methods == ("FaceSwap",)
    again = Settings(**{**SMALL, "methods": ("FaceSwap",)})
    train(photograph_records, tmp_path / "run", again, resume=True, verbose=0)
    with pytest.raises(InputError, match="methods"):
        train(photograph_records, tmp_path / "run", Settings(**SMALL), resume=True, verbose=0)
    with pytest.raises(InputError, match="'swap'; there are: Deepfakes"):
        train(
            photograph_records, tmp_path / "other", Settings(**SMALL, methods=["swap"]), verbose=0
        )


@pytest.mark.parametrize("name", ["patches", "frequency", "mask_weight"])
def test_what_the_baseline_does_not_have_cannot_be_set(name):
    value = {"patches": 4, "frequency": False, "mask_weight": 2.0}[name]
    with pytest.raises(InputError, match=f"the training of classifier has no option {name}"):
        Settings("classifier", **{name: value})


def test_the_backbone_is_that_of_the_detector_unless_named():
    assert Settings().backbone == "efficientnet_b4"
    assert Settings("classifier").backbone == "xception"
    assert Settings("classifier", backbone="tiny").backbone == "tiny"


@pytest.mark.parametrize("name", ["resnet", ["lrl"], None])
def test_a_run_of_an_unknown_detector_is_refused(name, finished, tmp_path):
    run, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = json.loads((copy / CONFIG).read_text())
    (copy / CONFIG).write_text(json.dumps({**config, "detector": name}))
    with pytest.raises(InputError, match=r"detector must be one of lrl, .*two_branch"):
        lrl_keras.load(copy)
    del config["detector"]
    (copy / CONFIG).write_text(json.dumps(config))
    assert type(lrl_keras.load(copy)).__name__ == "LRL"


@pytest.mark.long
def test_killed_at_random_moments_ends_with_the_same_weights(photograph_records, tmp_path):
    epochs = 4
    settings = {**SMALL, "epochs": epochs}
    train(photograph_records, tmp_path / "whole", Settings(**settings), verbose=0)
    program = (
        "import sys; from lrl_keras.training import Settings, train;"
        "import os; run = sys.argv[2];"
        "resume = os.path.exists(os.path.join(run, 'config.json'));"
        f"train(sys.argv[1], run, Settings(**{settings!r}), resume=resume, verbose=0)"
    )
    command = [sys.executable, "-c", program, str(photograph_records), str(tmp_path / "killed")]
    random = np.random.default_rng()
    killed = 0
    while killed < 3:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        # Counted from the first file of the run, so that the kill falls into the training.
        _wait_for(tmp_path / "killed" / "config.json", process)
        try:
            _, errors = process.communicate(timeout=random.uniform(0, 10))
            assert process.returncode == 0, errors
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
    assert killed > 0
    subprocess.run(command, check=True)
    _assert_same_state(tmp_path / "whole", tmp_path / "killed", epochs)


def test_damaged_newest_state_falls_back_to_the_one_before(
    finished, photograph_records, tmp_path, caplog
):
    run, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    newest = copy / "checkpoints" / "epoch-00002.h5"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    train(photograph_records, copy, resume=True, verbose=0)
    assert "epoch-00002.h5" in caplog.text
    _assert_same_state(run, copy, SMALL["epochs"])


def test_refusals_are_one_line(finished, photograph_records, tmp_path):
    run, _ = finished
    cases = [
        (photograph_records, run, {}, "holds a run already"),
        (
            photograph_records,
            run,
            {"resume": True, "settings": Settings(**{**SMALL, "seed": 1})},
            "seed",
        ),
        (tmp_path, tmp_path / "new", {}, "manifest.json"),
        (
            photograph_records,
            tmp_path / "new",
            {"settings": Settings(**{**SMALL, "batch_size": 10_000})},
            "batch",
        ),
        (photograph_records, photograph_records, {"settings": Settings(**SMALL)}, "holds records"),
        (photograph_records, run / "config.json", {"settings": Settings(**SMALL)}, "folder"),
        (
            photograph_records,
            tmp_path / "new",
            {"settings": Settings(**{**SMALL, "weights": "imagenet"})},
            "--weights none",
        ),
    ]
    for records, folder, arguments, expected in cases:
        with pytest.raises(InputError) as caught:
            train(records, folder, verbose=0, **arguments)
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", float("nan")),
        ("detector", "resnet"),
        ("augment", "turn"),
        ("backbone", "resnet"),
        ("batch_size", 0),
        ("decoder", "heavy"),
        ("label_weight", -1.0),
        ("learning_rate", float("nan")),
        ("precision", "float16"),
        ("seed", -1),
    ],
)
def test_settings_are_checked_before_anything_is_done(name, value):
    with pytest.raises(InputError, match=name):
        Settings(**{name: value})


def test_loss_that_is_not_finite_stops_and_keeps_what_was_good(photograph_records, tmp_path):
    settings = Settings(**{**SMALL, "epochs": 3, "learning_rate": 1e30})
    with pytest.raises(FloatingPointError, match="training stopped"):
        train(photograph_records, tmp_path / "run", settings, verbose=0)
    for path in (tmp_path / "run").rglob("*.h5"):
        with h5py.File(path) as file:
            file.visititems(_assert_finite)


def test_optimizer_that_does_not_advance_stops():
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.build((None, 1))
    stop = callbacks.StopWhenBroken()
    stop.set_model(model)
    stop.on_epoch_begin(0)
    with pytest.raises(FloatingPointError, match="no step"):
        stop.on_epoch_end(0)


@pytest.mark.long
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_loads_in_float32(policy, photograph_records, tmp_path):
    settings = Settings(**{**SMALL, "epochs": 1, "precision": policy})
    train(photograph_records, tmp_path / "run", settings, verbose=0)
    assert keras.mixed_precision.dtype_policy().name == "float32"
    loaded = lrl_keras.load(tmp_path / "run")
    scores = loaded(np.zeros((1, 64, 64, 3), "float32"))["label"]
    assert np.isfinite(scores).all()


def test_two_processes_cannot_train_one_run(photograph_records, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    with open(run / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process"):
            train(photograph_records, run, Settings(**SMALL), verbose=0)


def test_damaged_weights_and_configuration_are_refused(finished, tmp_path):
    run, _ = finished
    random = np.random.default_rng(0)
    content = (run / BEST).read_bytes()
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for position in random.integers(0, len(content), 60):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(random.integers(8))
        (copy / BEST).write_bytes(damaged)
        with pytest.raises(InputError, match=r"best\.weights\.h5"):
            lrl_keras.load(copy)
    (copy / BEST).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged"):
        lrl_keras.load(copy)
    (copy / CONFIG).write_text("{}")
    with pytest.raises(InputError, match=r"config\.json"):
        lrl_keras.load(copy)


def test_strangers_configuration_imports_nothing(finished, tmp_path):
    run, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (tmp_path / "evil_module.py").write_text("raise SystemExit('ran')")
    config = json.loads((copy / CONFIG).read_text())
    config["model"]["backbone"] = {
        "module": "evil_module",
        "class_name": "Backbone",
        "config": {},
        "registered_name": None,
    }
    (copy / CONFIG).write_text(json.dumps(config))
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(InputError, match="evil_module"):
            lrl_keras.load(copy)
    finally:
        sys.path.remove(str(tmp_path))
    assert "evil_module" not in sys.modules


@pytest.mark.parametrize("weights", ["imagenet", "/etc/hostname"])
def test_strangers_configuration_reads_and_fetches_nothing(weights, finished, tmp_path):
    run, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = json.loads((copy / CONFIG).read_text())
    config["model"]["weights"] = weights
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"config\.json: names weights"):
        lrl_keras.load(copy)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"crop_margin": -5}, "crop_margin must be from 1 to 3"),
        ({"crop_size": 10**9}, "crop_size must be from 1 to 4096"),
        (None, "has no model"),
    ],
)
def test_a_configuration_changed_by_hand_is_refused(change, words, finished, tmp_path):
    run, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = json.loads((copy / CONFIG).read_text())
    config["model"] = change and {**config["model"], **change}
    (copy / CONFIG).write_text(json.dumps(config))
    with pytest.raises(InputError, match=rf"config\.json: {words}"):
        lrl_keras.load(copy)


def test_sealed_files_still_open_in_keras(finished):
    run, model = finished
    checkpoints.load_weights(model, run / BEST)
    model.load_weights(run / BEST)


def _assert_finite(name, item):
    if isinstance(item, h5py.Dataset):
        assert np.isfinite(item[()]).all(), name


def _assert_same_state(first, second, epoch):
    name = f"checkpoints/epoch-{epoch:05d}.h5"
    with h5py.File(first / name) as a, h5py.File(second / name) as b:
        assert sorted(a) == sorted(b)
        for key in a:
            np.testing.assert_array_equal(a[key][()], b[key][()], err_msg=a[key].attrs["path"])


def _wait_for(path, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.05)
