import os
from pathlib import Path

import keras
import pytest
from networks import lively

from lrl_keras import LRL, export

# Odd and even sides, k that divides the last map and k that does not.
SHAPES = {"even": (64, 4), "odd": (97, 5)}


@pytest.fixture(scope="session")
def models():
    """Small networks by name, as if trained."""
    keras.utils.set_random_seed(1)
    return {
        name: lively(LRL("tiny", image_size=size, patches=k, crop_size=size + 20))
        for name, (size, k) in SHAPES.items()
    }


@pytest.fixture(scope="session")
def exported(models, tmp_path_factory):
    """Function of an export's arguments that gives its path; each is made once."""
    folder, made = tmp_path_factory.mktemp("exports"), {}

    def make(name, format, **options):
        key = (name, format, *sorted(options.items()))
        if key not in made:
            out = folder / str(len(made))
            made[key] = Path(export.export(models[name], out, format, **options))
        return made[key]

    return make


@pytest.fixture
def without_keras():
    """Environment of a process that can import neither keras nor lrl_keras."""
    blocker = Path(__file__).with_name("without_keras")
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "PYTHONPATH": str(blocker),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
