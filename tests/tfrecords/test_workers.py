import os
import signal
import subprocess
import sys
import time

import jobs
import pytest

from lrl_keras.errors import InputError
from tfrecords.runners.local import run


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().split(")")[1].split()[0] != "Z"


def test_results_and_notes_of_every_task():
    tasks = [jobs.Task(f"t{number}", number) for number in range(5)]
    events = list(run(jobs.double, tasks, 2))
    notes = {(task.name, note) for task, note, _ in events if note is not None}
    assert notes == {(task.name, (f"{task.name}.mp4", False)) for task in tasks}
    results = {task.name: result for task, note, result in events if note is None}
    assert results == {task.name: 2 * task.value for task in tasks}


def test_no_tasks_no_workers():
    assert list(run(jobs.double, [], 3)) == []


def test_a_worker_has_one_thread_and_no_gpu():
    ((_, _, result),) = run(jobs.threads, [jobs.Task("t", 0)], 4)
    assert result == (1, [])


def test_input_errors_come_back_as_they_are():
    with pytest.raises(InputError, match=r"^x\.mp4: no good$"):
        list(run(jobs.refuse, [jobs.Task("t", "x.mp4")], 1))


def test_other_errors_come_back_with_their_traceback():
    with pytest.raises(RuntimeError, match=r"(?s)t: Traceback.*ZeroDivisionError"):
        list(run(jobs.fail, [jobs.Task("t", 0)], 1))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("SIGKILL", "was killed by SIGKILL"),
        ("SIGSEGV", "was killed by SIGSEGV"),
        ("exit", "exited with 3"),
    ],
)
def test_a_worker_that_dies_is_one_line_with_the_task_and_the_video(how, words):
    with pytest.raises(InputError) as error:
        list(run(jobs.die, [jobs.Task("train-00000-of-00001.tfrecord", how)], 1))
    message = str(error.value)
    assert message.startswith("train-00000-of-00001.tfrecord: ")
    assert words in message
    assert "videos/bad.mp4" in message
    assert ("the reason why" in message) == (how == "exit")
    assert "\n" not in message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_do_not_outlive_their_parent(tmp_path, number):
    paths = [tmp_path / "a", tmp_path / "b"]
    code = (
        "import jobs; from tfrecords.runners.local import run;"
        f"list(run(jobs.sleep, [jobs.Task('t', p) for p in {[str(path) for path in paths]}], 2))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment,
        stderr=subprocess.DEVNULL,
        # A shell's background job ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: all(path.exists() and path.read_text() for path in paths))
    workers = [int(path.read_text()) for path in paths]
    assert all(alive(worker) for worker in workers)
    parent.send_signal(number)
    parent.wait(timeout=30)
    wait_until(lambda: not any(alive(worker) for worker in workers), seconds=10)


def test_a_caller_that_stops_early_leaves_no_worker(tmp_path):
    events = run(jobs.double, [jobs.Task(f"t{number}", number) for number in range(3)], 1)
    next(events)
    before = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    events.close()
    after = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    assert before - after
