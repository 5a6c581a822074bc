"""A change that users would notice is intended, or it is a mistake: see `user.py` beside this."""

import json
from pathlib import Path

import numpy as np
import pytest
import user

pytestmark = pytest.mark.tensorflow
WRITTEN = json.loads(Path(__file__).with_name("user.json").read_text())


def test_public_names_and_their_arguments_are_as_they_were():
    assert user.names() == WRITTEN["names"]


def test_commands_have_the_options_and_defaults_that_they_had():
    found = user.commands()
    assert found.keys() == WRITTEN["commands"].keys()
    for command, options in found.items():
        assert options == WRITTEN["commands"][command], command


def test_records_and_the_weights_of_a_training_are_as_they_were(tmp_path):
    assert user.records(tmp_path) == WRITTEN["records"]
    found = user.training(tmp_path)
    # Processors, and numbers of threads, add up in other orders, and Adam magnifies what is left of
    # gradients near zero: one thread or two, with and without oneDNN, differ by up to 0.01 and
    # 0.005.
    for kind, tolerance in (("losses", 0.015), ("weights", 0.01)):
        assert found[kind].keys() == WRITTEN["training"][kind].keys()
        for name, values in found[kind].items():
            np.testing.assert_allclose(
                values,
                WRITTEN["training"][kind][name],
                rtol=tolerance,
                atol=tolerance / 2,
                err_msg=name,
            )
