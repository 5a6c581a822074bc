"""Apache Beam's runners against the worker processes of this machine."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import jobs
import pytest
from ffpp_tree import ARGUMENTS

from lrl_keras.cli import main
from lrl_keras.errors import InputError
from tfrecords.build import prepare
from tfrecords.writing.shards import PARTS

beam = pytest.importorskip("tfrecords.runners.beam", reason="Apache Beam: pip install '.[beam]'")

TWO_PROCESSES = ["--direct_num_workers", "2", "--direct_running_mode=multi_processing"]
RUNNERS = {
    "one process": ("DirectRunner",),
    "two processes": ("DirectRunner", *TWO_PROCESSES),
    # What Flink and Spark are spoken to with, and a server for it that comes with Beam.
    "portable": ("PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK"),
}


@pytest.fixture(autouse=True)
def _workers_find_the_tests(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path or os.getcwd() for path in sys.path))


@pytest.fixture(params=RUNNERS)
def job(request):
    runner, *options = RUNNERS[request.param]
    return beam.Job(runner, options)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def command(root, out, *options):
    arguments = ("--frames-per-video", ARGUMENTS["frames_per_video"])
    arguments += ("--image-size", ARGUMENTS["image_size"])
    return list(map(str, ["prepare", "faceforensics", root, out, *arguments, *options]))


@pytest.mark.long
def test_two_worker_processes_give_the_same_bytes(tree, finished_records, tmp_path, capfd):
    done = main(command(tree, tmp_path, "--runner", "DirectRunner", *TWO_PROCESSES))
    captured = capfd.readouterr()
    assert done == 0, captured.err
    assert contents(tmp_path) == contents(finished_records)
    assert "14/14" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.long
def test_the_real_sample_has_the_same_bytes(shared_data, tmp_path):
    options = {"frames_per_video": 3, "image_size": 128, "progress": False}
    prepare("faceforensics", shared_data / "ffpp", tmp_path / "local", workers=2, **options)
    prepare(
        "faceforensics",
        shared_data / "ffpp",
        tmp_path / "beam",
        runner="DirectRunner",
        beam_options=TWO_PROCESSES,
        **options,
    )
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_after_its_first_shard_it_goes_on(tree, finished_records, tmp_path, number):
    arguments = command(tree, tmp_path, "--runner=DirectRunner", *TWO_PROCESSES)
    process = subprocess.Popen(
        [sys.executable, "-m", "lrl_keras.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # A shell's background job ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (first := list((tmp_path / PARTS).glob("[!.]*.tfrecord.json"))):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(30) == (130 if number == signal.SIGINT else -number)
    wait_until_gone(process.pid)
    assert not (tmp_path / "manifest.json").exists()
    made = {path.name.removesuffix(".json") for path in first}
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in made}
    assert main(arguments) == 0
    assert contents(tmp_path) == contents(finished_records)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in made} == before


def wait_until_gone(group):
    """Wait until Beam's processes of a session that was stopped are gone too."""
    end = time.monotonic() + 60
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < end
        time.sleep(0.1)


def test_two_workers_are_two_processes(tmp_path):
    tasks = [jobs.Task(f"t{number}", str(tmp_path)) for number in range(4)]
    beam.Job("DirectRunner", ["--direct_num_workers=2"]).run(jobs.sign, tasks, tmp_path / "failure")
    signed = [path.read_text().split() for path in tmp_path.iterdir()]
    assert len(signed) == 4
    assert len({worker for worker, _ in signed}) == 2
    parents = {int(parent) for _, parent in signed}
    assert len(parents) == 2
    assert os.getpid() not in parents


@pytest.mark.parametrize(
    ("function", "value", "message"),
    [
        (jobs.refuse, "x.mp4", "x.mp4: no good"),
        (jobs.die, "SIGKILL", "t: its worker process was killed by SIGKILL at videos/bad.mp4"),
    ],
)
def test_what_stops_a_task_is_one_line(job, tmp_path, capfd, function, value, message):
    job.run(function, [jobs.Task("t", value)], tmp_path / "failure")
    assert (tmp_path / "failure").read_text().startswith(message)
    assert "Traceback" not in capfd.readouterr().err


def test_a_line_that_cannot_be_written_down_comes_back_all_the_same(job, tmp_path):
    with pytest.raises(InputError, match=r"^x\.mp4: no good$"):
        job.run(jobs.refuse, [jobs.Task("t", "x.mp4")], tmp_path / "no folder" / "failure")


def test_a_failed_job_does_not_wait_for_a_worker_that_calls_in_late(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "sitecustomize.py").write_text(
        "import os, time\nif os.environ.get('WORKER_ID') == 'worker_0': time.sleep(4)"
    )
    job = beam.Job("DirectRunner", TWO_PROCESSES)
    with pytest.raises(InputError, match=r"^x\.mp4: no good$"):
        job.run(jobs.refuse, [jobs.Task("t", "x.mp4")], tmp_path / "no folder" / "failure")


@pytest.mark.parametrize("error", [None, "x.mp4: no good"])
def test_a_job_does_not_wait_for_a_worker_that_does_not_leave(tmp_path, error):
    job = beam.Job("DirectRunner", TWO_PROCESSES)
    tasks = [jobs.Task(name, (f"{tmp_path}/group", error)) for name in ("first", "second")]
    with pytest.raises(InputError, match=f"^{error}$") if error else contextlib.nullcontext():
        job.run(jobs.freeze_the_idle, tasks, tmp_path / "no folder" / "failure")
    wait_until_gone(int((tmp_path / "group").read_text()))


def test_a_job_does_not_wait_for_a_worker_that_was_killed(tmp_path):
    job = beam.Job("DirectRunner", TWO_PROCESSES)
    with pytest.raises(InputError, match=r"^Apache Beam: .*; run the same command again$"):
        job.run(jobs.kill_caller, [jobs.Task("t", f"{tmp_path}/group")], tmp_path / "failure")
    wait_until_gone(int((tmp_path / "group").read_text()))


def test_other_errors_come_back_with_their_traceback(job, tmp_path):
    with pytest.raises(RuntimeError, match=r"(?s)^t: Traceback.*ZeroDivisionError: [a-z ]+$"):
        job.run(jobs.fail, [jobs.Task("t", 0)], tmp_path / "failure")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bogus"], r"^--bogus: no option of this command and none of Apache Beam$"),
        (["--direct_num_workers=2", "stray"], "^stray: no option of this command"),
        (["--project", "p", "stray"], "^stray: no option of this command"),
        (["--direct_num_workers", "x"], "^Apache Beam: .*--direct_num_workers: invalid int value"),
        (["--direct_running_mode=no"], "^Apache Beam: .*--direct_running_mode: invalid choice"),
    ],
)
def test_wrong_options_are_one_line(tree, tmp_path, capfd, options, words):
    with pytest.raises(InputError, match=words) as error:
        prepare("faceforensics", tree, tmp_path / "out", runner="DirectRunner",
                beam_options=options, **ARGUMENTS)  # fmt: skip
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
    assert "usage" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("runner", "words"),
    [
        ("NoRunner", "^NoRunner: Unexpected pipeline runner"),
        ("DataflowRunner", "^DataflowRunner: .*(region|gcp)"),
    ],
)
def test_a_runner_that_cannot_start_is_one_line(runner, words):
    with pytest.raises(InputError, match=words) as error:
        beam.Job(runner)
    assert "\n" not in str(error.value)


def test_a_cluster_may_have_options_that_beam_does_not_know():
    assert not beam.Job("FlinkRunner", ["--one_of_flinks=1", "--parallelism", "2"]).is_local
