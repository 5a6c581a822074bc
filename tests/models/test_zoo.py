"""Every registered detector, from training to the exported file."""

import re

import h5py
import numpy as np
import pytest
from skimage import data
from videos import write_video

import lrl_keras
from lrl_keras.errors import InputError
from lrl_keras.evaluation.evaluator import evaluate
from lrl_keras.export import export
from lrl_keras.models import DETECTORS, build
from lrl_keras.plots import drawing
from lrl_keras.prediction.predictor import predict
from lrl_keras.saving import runtimes
from lrl_keras.saving.formats import FORMATS
from lrl_keras.training import Settings, callbacks, settings, train

pytestmark = pytest.mark.tensorflow

# One goes through all that they have in common.
NAMES = [
    pytest.param(name, marks=() if name == "classifier" else pytest.mark.long)
    for name in sorted(DETECTORS)
]


def small(name):
    """Arguments of the smallest network: each whole number as low as it goes."""
    options = DETECTORS[name].OPTIONS
    chosen = {
        key: option.least
        for key, option in options.items()
        if option.type is int and not option.many
    }
    others = {"backbone": "tiny", "weights": None}
    return chosen | {key: value for key, value in others.items() if key in options}


def chosen(name, epochs=2):
    # There are four sequences in an epoch, one of each clip.
    size = 2 if "frames" in DETECTORS[name].OPTIONS else 8
    given = {"epochs": epochs, "batch_size": size, "head_epochs": 0, "averaging": 0.0}
    return Settings(name, **given, **small(name))


@pytest.fixture(scope="module", params=NAMES)
def trained(request, photograph_records, tmp_path_factory):
    """Name and folder of a run of two epochs."""
    run = tmp_path_factory.mktemp("zoo") / request.param
    train(photograph_records, run, chosen(request.param), verbose=0)
    return request.param, run


def test_a_broken_off_training_goes_on_bit_for_bit(
    trained, photograph_records, tmp_path, monkeypatch
):
    name, run = trained
    resumed = tmp_path / "run"
    batches = []

    def stop(self, batch, logs=None):
        batches.append(batch)
        if batches.count(0) == 2 and batch:  # in the middle of the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(callbacks.StopWhenBroken, "on_train_batch_end", stop)
        with pytest.raises(KeyboardInterrupt):
            train(photograph_records, resumed, chosen(name), verbose=0)
    train(photograph_records, resumed, resume=True, verbose=0)
    state = "checkpoints/epoch-00002.h5"
    with h5py.File(run / state) as whole, h5py.File(resumed / state) as other:
        assert sorted(whole) == sorted(other)
        for key, array in whole.items():
            np.testing.assert_array_equal(array[()], other[key][()], err_msg=array.attrs["path"])


def test_a_run_is_measured_and_predicts_a_photo_and_a_video(trained, photograph_records, tmp_path):
    name, run = trained
    model = lrl_keras.load(run)
    assert type(model) is DETECTORS[name]
    metrics = evaluate(model, photograph_records)
    assert metrics["detector"] == name
    frame = data.astronaut()[:240, 100:420]
    drawing.save_png(frame, tmp_path / "photo.png")
    write_video(tmp_path / "video.mp4", [np.roll(frame, shift, 1) for shift in range(12)])
    inputs = [tmp_path / "photo.png", tmp_path / "video.mp4"]
    photo, video = predict(model, inputs, frames_per_video=6)
    assert 0 <= photo["score"] <= 1
    assert 0 <= video["score"] <= 1
    assert len(video["frames"]) == 6


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_a_run_is_exported(form, trained, tmp_path):
    _, run = trained
    model = lrl_keras.load(run)
    if (reason := model.NOT_EXPORTED.get(form)) is not None:
        with pytest.raises(InputError, match=re.escape(reason)):
            export(model, tmp_path / "out", form)
        return
    path = export(model, tmp_path / "out", form)
    # Beside the comparison that `export` makes itself, in another process.
    shape = (2, *model.input_shape[1:])
    pictures = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
    found = runtimes.load(path)(pictures)["label"]
    np.testing.assert_allclose(found, model.predict_on_batch(pictures)["label"], atol=1e-4)


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_wrong_arguments_are_refused_by_name(name):
    with pytest.raises(InputError, match="image_size must be a whole number"):
        Settings(name, image_size=1)
    with pytest.raises(InputError, match="no_such_option"):
        Settings(name, no_such_option=1)
    with pytest.raises(ValueError, match=r"`image_size` must be .*Received: image_size=1$"):
        build(name, **{**small(name), "image_size": 1})


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_a_protocol_chooses_the_defaults(name):
    own, lrl = Settings(name), Settings(name, protocol="lrl")
    for key, option in settings.common_options().items():
        assert getattr(own, key) == DETECTORS[name].DEFAULTS.get(key, option.default)
        assert key == "protocol" or getattr(lrl, key) == option.default
    assert Settings(name, protocol="lrl", epochs=3).epochs == 3
