"""FaceForensics++'s Xception."""

import numpy as np
import pytest

from lrl_keras.models import build

# This machine's memory and time hold one of these.
pytestmark = pytest.mark.slow


def test_parameters_are_those_of_faceforensics_with_one_output():
    model = build("xception")
    trained = sum(np.prod(weight.shape) for weight in model.trainable_weights)
    # Two outputs, 20,811,050, run unchanged from its code in PyTorch.
    assert trained == 20_811_050 - 2049
    assert model.count_params() - trained == 54_528
