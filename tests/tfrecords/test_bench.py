import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long


def bench(*arguments):
    command = [sys.executable, "-m", "tfrecords.runners.bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_numbers_add_up(tree):
    done = bench(
        "faceforensics", tree, "--frames-per-video", 2, "--image-size", 48, "--workers", 1, 2,
        "--clips", 20, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [row["workers"] for row in result["runs"]] == [1, 2]
    # 14 clips, of which an empty file and two without a face give nothing, done twice.
    for row in result["runs"]:
        assert (row["clips"], row["records"]) == (28, 2 * 2 * 11)
        assert row["records_per_second"] == pytest.approx(row["records"] / row["seconds"])
        assert len(row["memory_mb"]) == 10
        assert min(row["memory_mb"]) > 100
    assert result["arguments"]["compression"] == "c23"
    for step in ("decode", "find faces", "encode PNG", "crop and resize"):
        assert result["steps"][step] > 0
    assert result["steps"]["the rest"] > 0


def test_what_is_no_dataset_is_one_line(tmp_path):
    done = bench("faceforensics", tmp_path / "nothing")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("tfrecords.runners.bench: error: ")
