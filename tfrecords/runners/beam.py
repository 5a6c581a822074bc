"""Run a function over tasks on Apache Beam: on this machine, or on Flink, Spark or Dataflow.

Beam only hands out the tasks. They run in the worker processes that are used without Beam too
(`tfrecords.runners.local`), one of them for each worker of Beam, so that the same is computed, and
a crash in a decoder does not take Beam's own process along; that one never imports TensorFlow.
A job on this machine has a process of its own as well, so that all of it can be ended.
"""

import contextlib
import functools
import os
import pickle
import re
import tempfile
import threading
import traceback
from pathlib import Path

import apache_beam as beam
from apache_beam.runners.runner import PipelineState

from lrl_keras.errors import InputError
from lrl_keras.system import files
from tfrecords.runners import beam_options
from tfrecords.runners.local import Worker

_OUR_LINE = re.compile(r"InputError: (.*?)(?: \[while running |\\n|$)", re.MULTILINE)
_OUR_TRACEBACK = re.compile(r"RuntimeError: (\S+: Traceback [^\n]*\n(?:  [^\n]*\n)+\S[^\n]*)")
_LINES_SHOWN = 4
_POLL_SECONDS = 0.2


class Job:
    """Calls a function on a Beam runner.

    Args:
        runner: name of the runner, such as `"DirectRunner"` or `"FlinkRunner"`.
        options: Beam's own options as on a command line, such as `["--direct_num_workers=2"]`.

    Raises:
        InputError: Beam knows no such runner or option, or one is missing.
    """

    def __init__(self, runner, options=()):
        self.runner = runner
        self._options = tuple(options)
        settings = beam_options.parse(runner, options)
        try:
            self._pipeline = beam.Pipeline(options=settings)
        except Exception as error:
            raise _explained(error, runner) from error

    @property
    def is_local(self):
        """True where the workers are processes of this machine."""
        return beam_options.is_local(self.runner)

    def run(self, function, tasks, failure):
        """Call `function(task, notify)` for every task; `notify` does nothing.

        Where `function` raises `InputError` or its worker dies, the job goes on, and the message
        is in the file `failure` in the end: Beam itself would try it again and print hundreds of
        lines.

        Args:
            function: a picklable callable; what it returns is lost.
            tasks: picklable objects, each with a `name` of its own.
            failure: path or URL of a file that every worker can write.

        Raises:
            InputError: the job failed, or a worker could not write to `failure`.
            RuntimeError: `function` raised something else; with its traceback.
        """
        elements = [(task.name, pickle.dumps(task)) for task in tasks]
        function = pickle.dumps(function)
        try:
            if self.is_local:
                state = _run_apart(self.runner, self._options, elements, function, failure)
            else:
                state = _run(self._pipeline, elements, _Call(function, failure))
        except Exception as error:
            raise _explained(error, self.runner) from error
        if state != PipelineState.DONE:
            raise InputError(f"{self.runner}: the job ended as {state}; run the same command again")


class _Call(beam.DoFn):
    """Calls a pickled function with pickled tasks in a worker process of its own.

    Args:
        function: its pickle.
        failure: path or URL of the file for what stops a task.
        progress: `_Progress` of a job on this machine.
    """

    def __init__(self, function, failure, progress=None):
        self._function = function
        self._failure = failure
        self._progress = progress
        self._worker = None

    def process(self, element):
        name, task = element
        try:
            self._call(name, task)
        except Exception as error:
            if self._progress is not None:
                self._progress.fail(error)
            raise
        if self._progress is not None:
            self._progress.finish(name)

    def _call(self, name, task):
        if self._worker is None:
            self._worker = Worker(self._function)
        try:
            self._worker.call(name, task)
        except InputError as error:
            self.teardown()
            if not _written(str(error), self._failure):
                raise

    def teardown(self):
        if self._worker is not None:
            self._worker.stop()
            self._worker = None


def _written(message, path):
    try:
        files.require(path)
        files.write_text(path, message)
    except (InputError, OSError):
        return False
    return True


def _run(pipeline, elements, call):
    # Beam shuffles two elements and more by itself. A single one must not fail before every
    # worker process has called in: Beam never ends one that does so later, but waits for it.
    tasks = pipeline | "tasks" >> beam.Create(elements, reshuffle=False) | beam.Reshuffle()
    _ = tasks | "run" >> beam.ParDo(call)
    result = pipeline.run()
    try:
        return result.wait_until_finish()
    except KeyboardInterrupt:
        # Otherwise a cluster would go on, beside the same command given again.
        with contextlib.suppress(Exception):
            result.cancel()
        raise


class _Progress:
    """Files in which the worker processes of a job on this machine say how far it is.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder):
        self._done = Path(folder, "done")
        self._error = Path(folder, "error")
        self._done.touch()

    def finish(self, name):
        with self._done.open("a", encoding="utf-8") as file:
            file.write(f"{name}\n")

    def fail(self, error):
        part = self._error.with_name(f"error.{os.getpid()}")
        part.write_bytes(pickle.dumps(error))
        part.replace(self._error)

    def is_complete(self, tasks):
        """Tell whether so many tasks are done.

        Raises:
            Exception: what `fail` was called with.
        """
        # Beam may have a task done twice.
        done = len(set(self._done.read_text(encoding="utf-8").splitlines())) == tasks
        if not done and self._error.exists():
            raise pickle.loads(self._error.read_bytes())
        return done


def _run_apart(runner, options, elements, function, failure):
    """Run a job on this machine and leave nothing that it started; returns its last state.

    Beam joins its worker processes, without a limit, before it says how a job ended, and waits
    for ever for the answers of one that died. So the job runs in a process group of its own,
    which is killed as soon as the tasks themselves have told the outcome.
    """
    shown = beam_options.is_given("default_sdk_harness_log_level", options)
    with tempfile.TemporaryDirectory() as folder:
        progress = _Progress(folder)
        process = Worker(pickle.dumps(_run_here), quiet=not shown)
        try:
            job = runner, options, elements, function, failure, progress
            process.give(runner, pickle.dumps(job))
            while True:
                ended = process.connection.poll(_POLL_SECONDS)
                if progress.is_complete(len(elements)):
                    return PipelineState.DONE
                if ended:
                    return process.take()[1]
        finally:
            process.stop()


def _run_here(job, notify):
    runner, options, elements, function, failure, progress = job
    threading.excepthook = functools.partial(_on_dead_thread, progress)
    try:
        pipeline = beam.Pipeline(options=beam_options.parse(runner, options))
        return _run(pipeline, elements, _Call(function, failure, progress))
    except Exception as error:
        raise _explained(error, runner) from error


def _on_dead_thread(progress, raised):
    threading.__excepthook__(raised)
    # Beam's name for a thread that waits for a worker process to end.
    if raised.thread.name == "run_worker":
        progress.fail(InputError(f"Apache Beam: {raised.exc_value}; run the same command again"))


def _explained(error, runner):
    text = "".join(traceback.format_exception(error))
    if line := _OUR_LINE.search(text):
        return InputError(line[1])
    if trace := _OUR_TRACEBACK.search(text):
        return RuntimeError(trace[1])
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = " ".join(lines if len(lines) <= _LINES_SHOWN else lines[-1:]) or type(error).__name__
    return InputError(f"{runner}: {reason}")
