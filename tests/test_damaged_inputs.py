import json
import subprocess
import sys
from pathlib import Path

import damage
import pytest

pytestmark = [pytest.mark.tensorflow, pytest.mark.long]

SECONDS_FOR_ONE = 20


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """Good and damaged files scored in one call; then the good ones one call each."""
    folder = tmp_path_factory.mktemp("files")
    good = damage.good_files(folder / "good")
    bad = damage.damaged_files(folder / "bad", good)
    step = len(bad) // len(good)
    mixed = []
    for index, path in enumerate(good.values()):
        mixed += [*bad[index * step : (index + 1) * step], path]
    mixed += bad[len(good) * step :]
    together = score(mixed, folder / "drawn")
    alone = [score([path], folder / "alone")[2] for path in (good["jpg"], good["mkv"])]
    return good, bad, mixed, together, alone


def score(paths, overlay):
    """Seconds and results of `predict` in a process of its own, and its standard error."""
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("score_files.py")), str(overlay)],
        input=json.dumps([str(path) for path in paths]),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    timed = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    return [seconds for seconds, _ in timed], done.stderr, [result for _, result in timed]


def test_every_file_gets_a_score_or_one_line(outcome):
    _, bad, mixed, (seconds, errors, results), _ = outcome
    assert len(bad) > 200
    assert len(results) == len(mixed)
    for path, result in zip(mixed, results, strict=True):
        assert result["input"] == str(path)
        if "error" in result:
            assert result["error"].isprintable()
            assert Path(path).name.split("\0")[0] in result["error"]
        else:
            assert result["score"] is None or 0 <= result["score"] <= 1
    assert "Traceback" not in errors
    assert max(seconds[1:]) < SECONDS_FOR_ONE


def test_the_good_ones_have_the_score_they_have_alone(outcome):
    good, _, _, (_, _, results), alone = outcome
    by_path = {result["input"]: result for result in results}
    for path in good.values():
        assert 0 < by_path[str(path)]["score"] < 1
        assert "warning" not in by_path[str(path)]
        assert Path(by_path[str(path)]["overlay"]).is_file()
    for (expected,) in alone:
        found = by_path[expected["input"]]
        assert found["score"] == pytest.approx(expected["score"], abs=1e-5)


def test_what_is_surely_no_picture_has_an_error(outcome):
    _, bad, _, (_, _, results), _ = outcome
    failed = {Path(result["input"]).name for result in results if "error" in result}
    for path in map(Path, bad):
        surely = path.stem in ("empty", "text", "bomb", "wide", "list", "folder", "pipe", "circle",
                               "huge", "missing", "zero")  # fmt: skip
        assert not surely or path.name in failed
    wrong = [path.name for path in map(Path, bad) if path.stem.startswith("wrong_")]
    assert len(wrong) == 8
    assert not failed & set(wrong)
