"""What the benchmark of the data says is what happened."""

import json

import pytest

from lrl_keras.benchmark import benchmark_data
from lrl_keras.errors import InputError

SHORT = {"seconds": 0.1, "warmup": 0.05, "repeats": 3}


@pytest.mark.long
def test_each_pipeline_is_measured_in_turns(photograph_records):
    found = benchmark_data(photograph_records, batch_size=8, cache=True, **SHORT)
    assert json.loads(json.dumps(found)) == found
    names = ["none", "flip", "strong", "video"]
    assert list(found["pipelines"]) == names + [f"{name}, cached" for name in names]
    for numbers in found["pipelines"].values():
        assert len(numbers["turns"]) == 3
        assert sorted(numbers["turns"])[1] == numbers["images_per_second"]
        assert numbers["least"] == min(numbers["turns"]) > 0
        assert numbers["most"] == max(numbers["turns"])
        assert numbers["processor_ms_per_image"] > 0
    shards = sum(path.stat().st_size for path in photograph_records.glob("train-*"))
    assert found["bytes_per_example"] == round(shards / 84)
    assert found["records"] == str(photograph_records)
    assert (found["image_size"], found["examples"], found["batch_size"]) == (48, 48, 8)
    assert found["machine"]["cores"] >= 1
    assert {"tensorflow", "keras", "python", "processor", "load"} <= set(found["machine"])


def test_the_rate_is_that_of_whole_images(photograph_records):
    found = benchmark_data(
        photograph_records, split="val", batch_size=5, image_size=32, augment=["none"], **SHORT
    )
    assert found["image_size"] == 32
    assert found["examples"] == 40  # of 42: whole batches alone
    assert list(found["pipelines"]) == ["none"]


@pytest.mark.long
def test_strong_costs_more_than_none(photograph_records):
    found = benchmark_data(photograph_records, batch_size=8, image_size=200, **SHORT)
    used = {name: found["pipelines"][name]["processor_ms_per_image"] for name in ("none", "strong")}
    assert used["strong"] > 1.5 * used["none"]


def test_it_runs_without_records():
    found = benchmark_data(image_size=24, augment=["flip"], **SHORT)
    assert found["records"] == "512 crops of photographs"
    assert (found["image_size"], found["examples"]) == (24, 512)
    assert found["pipelines"]["flip"]["images_per_second"] > 0


def test_what_cannot_be_measured_is_said(photograph_records, tmp_path):
    for arguments, words in (
        ({"records": tmp_path}, "not found"),
        ({"records": photograph_records, "augment": ["turn"]}, "none, flip, strong"),
        ({"records": photograph_records, "batch_size": 49}, "do not fill one batch"),
        ({"records": photograph_records, "augment": []}, "augment"),
        ({"records": photograph_records, "repeats": 0}, "repeats must be at least 1"),
    ):
        with pytest.raises(InputError, match=words):
            benchmark_data(**arguments)
