"""The examples of reuse in the guide 'From Python', run as they are printed there."""

import contextlib
import dataclasses
import importlib.util
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import arrays, assert_close
from scipy import fft
from skimage import color, data
from sklearn.metrics.pairwise import cosine_similarity

import lrl_keras
from lrl_keras import layers
from lrl_keras.training import trainer

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs" / "python.md"
# In their order.
EXAMPLES = ("modules", "classifier", "tuning", "training", "backends")

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.filterwarnings("ignore:.*shuffle=True.*", "ignore:.*run_functions_eagerly"),
]


@dataclasses.dataclass
class Done:
    """What an example left: its variables, and the weights of its model when `fit` began."""

    names: dict
    before: dict

    @property
    def changed(self):
        """Names of the weights that training changed."""
        return changes(self.before, weights(self.names["model"]))


def named(model):
    """Weights by position and path; the two streams have the same paths."""
    return {f"{index} {weight.path}": weight for index, weight in enumerate(model.weights)}


def weights(model):
    return {name: weight.numpy() for name, weight in named(model).items()}


def names_of(variables, model):
    wanted = {id(variable) for variable in variables}
    return {name for name, weight in named(model).items() if id(weight) in wanted}


def changes(before, after):
    assert list(before) == list(after)
    return {name for name in before if np.any(before[name] != after[name])}


def write(name, folder):
    """Write an example as a file into `folder`."""
    section = re.search(r"^## Reuse\n(.*?)(?=^## |\Z)", GUIDE.read_text("utf-8"), re.M | re.S)
    blocks = re.findall(r"^```python\n(.*?)^```$", section[1], re.M | re.S)
    file = folder / f"{name}.py"
    file.write_text(dict(zip(EXAMPLES, blocks, strict=True))[name], "utf-8")
    return file


def run(name, folder):
    """Run an example in `folder`, in this process."""
    before = {}
    fit = keras.Model.fit

    def observed(model, *args, **kwargs):
        before.update(weights(model))
        return fit(model, *args, **{**kwargs, "verbose": 0})

    with pytest.MonkeyPatch.context() as patch, eagerly():
        patch.chdir(folder)
        patch.setattr(keras.Model, "fit", observed)
        keras.utils.set_random_seed(1)
        names = runpy.run_path(str(write(name, folder)))
    assert before
    return Done(names, before)


@contextlib.contextmanager
def eagerly():
    """Without graphs: tracing one takes longer than the few steps here."""
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def folder(photograph_records, tmp_path_factory):
    """The reader's current folder, with `records`."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "records").symlink_to(photograph_records)
    return folder


@pytest.fixture(scope="module")
def modules(folder):
    return run("modules", folder)


@pytest.fixture(scope="module")
def faces():
    picture = data.astronaut().astype("float32")
    return np.stack([picture[y : y + 128, 150:278] for y in (0, 60, 120)])


def test_modules_learn_and_compare_patches(modules, faces):
    model = modules.names["model"]
    learned = names_of(model.trainable_variables, model)
    assert any("rfam" in name for name in learned)
    assert learned <= modules.changed

    inner = [modules.names[name] for name in ("fused", "similarity")]
    fused, similarity = keras.Model(model.input, inner)(faces)
    assert fused.shape == (3, 16, 16, 64)
    assert similarity.shape == (3, 16, 16)
    corners = [(y, x) for y in range(0, 16, 4) for x in range(0, 16, 4)]
    for maps, found in zip(fused.numpy(), similarity.numpy(), strict=True):
        patches = [maps[y : y + 4, x : x + 4].ravel() for y, x in corners]
        np.testing.assert_allclose(found, (cosine_similarity(patches) + 1) / 2, atol=1e-5)


def test_model_with_modules_comes_back_from_its_file(modules, folder, faces):
    reloaded = keras.models.load_model(folder / "mine.keras")
    scores = reloaded(faces).numpy()
    np.testing.assert_array_equal(scores, modules.names["model"](faces))
    assert len(np.unique(scores)) == len(faces)


def test_classifier_gets_the_frequency_image(folder, faces):
    done = run("classifier", folder)
    model = done.names["model"]
    assert names_of(model.trainable_variables, model) <= done.changed
    assert model(faces).shape == (3, 1)

    *_, rescaling, _ = model.layers
    given = keras.Model(model.input, rescaling.output)(faces).numpy()[..., 0]
    below = np.add.outer(np.arange(128), np.arange(128)) < 0.33 * 128
    for face, residual in zip(faces, given, strict=True):
        coefficients = fft.dctn(color.rgb2yuv(face)[..., 0], norm="ortho")
        expected = fft.idctn(np.where(below, 0, coefficients), norm="ortho")
        np.testing.assert_allclose(residual, expected / 10, atol=1e-4)
        # 'To about 1.'
        assert 0.3 < residual.std() < 2


@pytest.mark.slow
def test_tuned_run_keeps_what_was_frozen(folder, faces):
    settings = trainer.Settings(
        backbone="tiny", weights=None, image_size=64, patches=2, epochs=1, batch_size=24
    )
    first = folder / "runs" / "first"
    with eagerly():
        trainer.train(folder / "records", first, settings, verbose=0)
    done = run("tuning", folder)

    before = weights(lrl_keras.load(first))
    assert not changes(before, done.before)
    model = lrl_keras.load(folder / "runs" / "tuned")
    kept = {
        f"{stream}_{level}": names_of(model.get_layer(f"{stream}_{level}").weights, model)
        for stream in ("rgb", "frequency")
        for level in ("low", "mid")
    }
    assert all(any("moving_mean" in name for name in names) for names in kept.values())
    assert changes(before, weights(model)) == set(before).difference(*kept.values())

    images = faces[:, :64, :64]
    assert_close(arrays(model(images)), arrays(done.names["model"](images)), 0)


@pytest.mark.slow
def test_a_training_leaves_a_run(folder, faces):
    done = run("training", folder)
    kept = lrl_keras.load(folder / "runs" / "small")
    images = faces[:, :64, :64]
    assert_close(arrays(kept(images)), arrays(done.names["model"](images)), 0)


@pytest.fixture(scope="module")
def torch_python():
    """The interpreter of an environment with PyTorch and Keras; PyPI's PyTorch is gigabytes."""
    if importlib.util.find_spec("torch"):
        return sys.executable
    if "LRL_TORCH_PYTHON" in os.environ:
        return os.environ["LRL_TORCH_PYTHON"]
    pytest.skip("no PyTorch here; set LRL_TORCH_PYTHON to a Python with torch, keras and h5py")


# Appended to the example.
REPORT = """
import sys
assert "tensorflow" not in sys.modules
outputs = {"residual": residual, "similarity": similarity, "scores": scores}
outputs = {name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()}
np.savez("outputs.npz", images=images, backend=keras.backend.backend(), **outputs)
"""


@pytest.mark.long
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same_numbers(modules, folder, backend, request):
    python = request.getfixturevalue("torch_python") if backend == "torch" else sys.executable
    file = write("backends", folder)
    example = file.read_text("utf-8")
    choice = 'os.environ["KERAS_BACKEND"] = "jax"'
    assert choice in example
    file.write_text(example.replace(choice, choice.replace("jax", backend)) + REPORT, "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, file.name], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = dict(np.load(folder / "outputs.npz"))
    assert found.pop("backend") == backend

    images = found.pop("images")
    residual = layers.FrequencyFilter()(images)
    expected = {
        "residual": residual,
        "similarity": layers.PatchSimilarity(4)(residual),
        "scores": modules.names["model"](images),
    }
    for outputs in (found, expected):
        outputs["residual"] = outputs["residual"] / 255
    assert_close(found, arrays(expected))
    # Scores that are all alike would agree with anything.
    assert np.ptp(found["scores"]) > 1e-3
