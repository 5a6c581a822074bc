"""Run a function over tasks in worker processes that never outlive this one.

A worker is a fresh interpreter (`python -m tfrecords.runners.local`): unlike with
`multiprocessing`, the caller's script is not run again, so it needs no
`if __name__ == "__main__"`, and the death of a worker can be put down to its task.
"""

import collections
import contextlib
import functools
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import traceback

from lrl_keras.errors import InputError

_NOTE, _RESULT, _INPUT_ERROR, _FAILURE = range(4)


def run(function, tasks, workers):
    """Call `function(task, notify)` for every task.

    Each worker runs TensorFlow on one thread and without a GPU, however many workers there are,
    so that their number does not change what is computed.

    Args:
        function: a picklable callable; whatever it passes to `notify(*note)` is yielded here.
        tasks: picklable objects with a `name`.
        workers: number of processes.

    Yields:
        (task, note, result): a note and `None`, or `None` and what `function` returned.

    Raises:
        InputError: raised by `function`, or a worker died; names the task.
        RuntimeError: `function` raised something else; with its traceback.
    """
    waiting = collections.deque(tasks)
    pickled = pickle.dumps(function)
    busy, pool = {}, []

    def give(worker):
        task = waiting.popleft()
        busy[worker.connection] = worker, task
        worker.give(task.name, pickle.dumps(task))

    try:
        for _ in range(min(workers, len(waiting))):
            pool.append(Worker(pickled))
        for worker in pool:
            give(worker)
        while busy:
            for connection in multiprocessing.connection.wait(list(busy)):
                worker, task = busy[connection]
                kind, value = worker.take()
                if kind == _NOTE:
                    yield task, value, None
                    continue
                if waiting:
                    give(worker)
                else:
                    del busy[connection]
                yield task, None, value
    finally:
        for worker in pool:
            worker.stop()


class Worker:
    """One worker process, see `run`.

    Args:
        function: pickle of the function to call; only the worker imports what it refers to.
        quiet: keep its standard error, for the message should it die, instead of showing it.
    """

    def __init__(self, function, quiet=True):
        self.connection, theirs = multiprocessing.Pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115, closed in `stop`
        self._task = self._last_note = None
        # In a session of its own Ctrl-C reaches only the parent, which then stops the workers.
        # The worker leaves when its standard input is closed, which happens however this
        # process ends.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tfrecords.runners.local", str(theirs.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors if quiet else None,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            env={
                # glibc would raise this threshold to the size of a video's frames and keep them in
                # fragmented heaps, one for every decoder thread: memory would grow for hours.
                "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
                "MALLOC_ARENA_MAX": "2",
                **os.environ,
                "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                "CUDA_VISIBLE_DEVICES": "-1",
                "KERAS_BACKEND": "tensorflow",
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "TF_NUM_INTEROP_THREADS": "1",
                "TF_NUM_INTRAOP_THREADS": "1",
            },
        )
        theirs.close()
        self._send(function)

    def call(self, name, task):
        """Call `function` on a task and return what it returns.

        Args:
            name: of the task, for errors.
            task: its pickle.

        Raises:
            InputError, RuntimeError: as `run` does.
        """
        self.give(name, task)
        while True:
            kind, value = self.take()
            if kind == _RESULT:
                return value

    def give(self, name, task):
        self._task, self._last_note = name, None
        self._send(task)

    def take(self):
        try:
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            raise InputError(self._epitaph()) from None
        if kind == _INPUT_ERROR:
            raise InputError(value)
        if kind == _FAILURE:
            raise RuntimeError(f"{self._task}: {value}")
        if kind == _NOTE:
            self._last_note = value
        return kind, value

    def stop(self):
        """End the process and its children, whatever they are doing."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with contextlib.suppress(OSError):  # None of them is left.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.connection.close()
        self._errors.close()

    def _send(self, pickled):
        # A worker that has died shows when its answer is taken, where its task is known.
        try:
            self.connection.send_bytes(pickled)
        except OSError:
            return

    def _epitaph(self):
        status = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        how = f"exited with {status}"
        if status < 0:
            how = f"was killed by {signal.Signals(-status).name}"
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        where = f" at {self._last_note[0]}" if self._last_note else ""
        return (
            f"{self._task}: its worker process {how}{where} (out of memory, or a crash in a "
            f"decoder{'; it said: ' + said if said and status > 0 else ''}); run the same command "
            "again, with fewer workers if memory is short"
        )


def _main():
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    connection = multiprocessing.connection.Connection(int(sys.argv[1]))
    function = connection.recv_bytes()
    while True:
        try:
            task = connection.recv_bytes()
        except EOFError:
            return
        connection.send(_call(function, task, connection))


def _call(function, task, connection):
    try:
        notify = functools.partial(_notify, connection)
        return _RESULT, pickle.loads(function)(pickle.loads(task), notify)
    except InputError as error:
        return _INPUT_ERROR, str(error)
    except Exception:
        return _FAILURE, traceback.format_exc()


def _notify(connection, *note):
    connection.send((_NOTE, note))


def _leave_with_parent():
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _main()
