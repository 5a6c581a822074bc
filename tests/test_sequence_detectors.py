"""A detector of sequences where single faces are the rule: measured, predicting, exported."""

import csv
import re

import keras
import numpy as np
import pytest
from skimage import data
from videos import write_video

from lrl_keras.data import load
from lrl_keras.errors import InputError
from lrl_keras.evaluation import robustness
from lrl_keras.evaluation.evaluator import evaluate
from lrl_keras.export import export
from lrl_keras.models import build
from lrl_keras.plots import drawing
from lrl_keras.prediction.predictor import predict
from lrl_keras.saving import runtimes
from lrl_keras.serving.network import Network

pytestmark = pytest.mark.tensorflow

FRAMES = 5


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    small = {"image_size": 32, "growth": 4, "depth": 1, "units": 4}
    made = build("two_branch", frames=FRAMES, **small)
    # So that distances and probabilities differ from sequence to sequence.
    for layer in made.get_layer("embedding").weights:
        layer.assign(20 * layer)
    return made


def test_each_face_has_the_score_of_its_sequence(model, photograph_records, tmp_path):
    result = evaluate(model, photograph_records, "val", out=tmp_path, batch_size=9, progress=False)
    assert (result["frame"]["overall"]["real"], result["frame"]["overall"]["forged"]) == (12, 30)
    assert (result["video"]["overall"]["real"], result["video"]["overall"]["forged"]) == (1, 3)
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    scores = [float(row["score"]) for row in rows]
    dataset = load(photograph_records, "val", 4, frames=FRAMES, image_size=32)
    expected = model.predict(dataset, verbose=0)["label"][:, 0]
    assert np.ptp(expected) > 1e-4
    # Clips of 12, 12, 7 and 11 faces in sequences of 5, the last of which overlaps.
    counts = [5, 5, 2, 5, 5, 2, 5, 2, 5, 5, 1]
    np.testing.assert_allclose(scores, np.repeat(expected, counts), atol=1e-5)

    clean = robustness.measure(
        {"it": model}, photograph_records, "val", degradations=["jpeg"], levels=[5],
        batch_size=10, progress=False,
    )["it"]  # fmt: skip
    found = clean["clean"]["overall"]
    assert found["auc"] == pytest.approx(result["frame"]["overall"]["auc"], abs=1e-6)
    assert clean["cells"]["jpeg"][0]["overall"]["real"] == 12


@pytest.mark.parametrize("count", [12, 3])
def test_a_video_is_scored_in_sequences_of_its_face(model, tmp_path, count):
    frame = data.astronaut()[:240, 100:420]
    write_video(tmp_path / "video.mp4", [np.roll(frame, 3 * at, 1) for at in range(count)])
    (result,) = predict(model, tmp_path / "video.mp4", frames_per_video=count, crop="none")
    scores = [found["score"] for found in result["frames"]]
    assert len(scores) == count
    sequences = [scores[at : at + FRAMES] for at in range(0, count, FRAMES)]
    assert all(len(set(of)) == 1 for of in sequences)
    assert result["score"] == pytest.approx(np.mean(scores), abs=1e-5)
    assert "warning" not in result


def test_a_followed_face_is_scored_in_sequences(model, tmp_path):
    frame = data.astronaut()[:240, 100:420]
    write_video(tmp_path / "video.mp4", [np.roll(frame, at, 1) for at in range(7)])
    (result,) = predict(model, tmp_path / "video.mp4", frames_per_video=7)
    scores = [face["score"] for found in result["frames"] for face in found["faces"]]
    assert len(scores) == 7
    assert len(set(scores[:5])) == 1


def test_a_photo_is_repeated_and_says_so(model, tmp_path):
    frame = data.astronaut()[:240, 100:340]
    drawing.save_png(frame, tmp_path / "photo.png")
    (result,) = predict(model, tmp_path / "photo.png", crop="none")
    assert result["warning"].endswith(
        "one image, repeated as the 5 frames of a sequence, which the detector was trained on; "
        "give it videos"
    )
    write_video(tmp_path / "still.mp4", [frame] * 5)
    (video,) = predict(model, tmp_path / "still.mp4", crop="none")
    assert video["score"] == pytest.approx(result["score"], abs=0.02)


@pytest.mark.slow
def test_an_export_takes_sequences_and_is_not_served(model, tmp_path):
    runtime = runtimes.load(export(model, tmp_path, "onnx", quantize="float16"))
    assert (runtime.shape, runtime.image_size) == ((FRAMES, 32, 32, 3), 32)
    with pytest.raises(InputError, match=re.escape("takes images of shape (B, 5, 32, 32, 3)")):
        runtime(np.zeros((1, 32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="takes sequences of 5 faces"):
        Network.of(runtime, "lrl")


def test_int8_is_refused(model, tmp_path, photograph_records):
    with pytest.raises(InputError, match="int8 is calibrated on single faces; two_branch takes"):
        export(model, tmp_path, "onnx", quantize="int8", calibration=photograph_records)
