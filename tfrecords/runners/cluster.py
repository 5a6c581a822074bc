"""Write shards on Apache Beam, on machines that may differ from this one."""

import contextlib
import functools
import logging
import platform
import threading

from lrl_keras.errors import InputError, how_to_install
from lrl_keras.system import files
from tfrecords.writing.plan import fingerprint
from tfrecords.writing.shards import PARTS, read_report, report_path
from tfrecords.writing.versions import versions

_log = logging.getLogger(__name__)
_FAILURE = "failure.txt"
_POLL_SECONDS = 1
_POLL_SECONDS_URL = 15


class Cluster:
    """The machines on which a Beam runner puts its workers.

    Args:
        runner: name of the runner, such as `"DirectRunner"` or `"FlinkRunner"`.
        options: Beam's own options as on a command line, such as `["--direct_num_workers=2"]`.
        root: the dataset's folder; every worker must see it under this path, and `out` too.
        out: the records' folder.

    Raises:
        InputError: Beam is not installed, or knows no such runner or option.
    """

    def __init__(self, runner, options, root, out):
        self._root, self._out = root, out
        self._job = _beam().Job(runner, options)
        if not self._job.is_local:
            _warn_of_local_paths(root, out)

    def write_shards(self, function, shards, about, on_done):
        """Call `function(shard, on_clip)` for every shard.

        Args:
            function: picklable; `tfrecords.writing.shards.write_shard` with its settings.
            shards: list of `tfrecords.writing.shards.Shard`.
            about: what the shards were planned with, see `tfrecords.writing.plan.plan_shards`.
            on_done: called once with each shard, a while after it is finished.

        Returns:
            the shards' reports by name.

        Raises:
            InputError: raised by `function`; the job fails, or a worker sees other files or has
                other packages than this process.
        """
        if not shards:
            return {}
        # Files of an earlier job are removed: those found afterwards are of this one.
        failure = files.join(self._out, PARTS, _FAILURE)
        for path in (failure, *(report_path(self._out, shard.name) for shard in shards)):
            files.remove(path)
        checked = functools.partial(
            _write_checked, function=function, root=self._root, about=about, failure=failure
        )
        with _watched(shards, self._out, on_done):
            self._job.run(checked, shards, failure)
        if files.exists(failure):
            raise InputError(files.read_bytes(failure).decode())
        return {shard.name: _report(shard, self._out) for shard in shards}


def _beam():
    logging.disable(logging.WARNING)  # Beam's, of parts that it would have with other extras.
    try:
        from tfrecords.runners import beam
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "apache_beam":
            raise
        raise InputError(
            f"Apache Beam is not installed: {how_to_install('beam')}; or leave out `runner=` to "
            "work on this machine"
        ) from None
    finally:
        logging.disable(logging.NOTSET)
    return beam


def _warn_of_local_paths(*paths):
    for path in paths:
        if not files.is_url(path):
            _log.warning("%s must be a folder that all workers share; if not, use a URL", path)


def _write_checked(shard, on_clip, *, function, root, about, failure):
    """Write a shard, but only out of the very files and with the packages that were planned for.

    A dataset that is not there would otherwise make a shard without examples. Nothing is done
    once any shard has failed.
    """
    files.require(failure)
    if files.exists(failure):
        return None
    files.require(root)
    here = versions()
    for package, planned in about["versions"].items():
        if here[package] != planned:
            raise InputError(
                f"{platform.node()}: this worker has {package} {here[package]}, the process that "
                f"started the job {planned}; install the same on both"
            )
    if fingerprint(shard.clips, root, about) != shard.fingerprint:
        raise InputError(
            f"{root}: the worker {platform.node()} does not see the files of {shard.name} there; "
            "use a URL or a folder that all workers share"
        )
    return function(shard, on_clip)


def _report(shard, out):
    report = read_report(out, shard.name)
    if report is None:
        raise InputError(
            f"{out}: the job is done, but {shard.name} is not there; use a URL or a folder that "
            "all workers share"
        )
    return report


@contextlib.contextmanager
def _watched(shards, out, on_done):
    """Open a context in which `on_done` is called with every shard whose report has appeared."""
    waiting = {files.name_of(report_path(out, shard.name)): shard for shard in shards}
    stop = threading.Event()

    def look():
        with contextlib.suppress(OSError):
            for name in waiting.keys() & set(files.names(files.join(out, PARTS))):
                on_done(waiting.pop(name))

    def watch():
        while not stop.wait(_POLL_SECONDS_URL if files.is_url(out) else _POLL_SECONDS):
            look()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        look()
