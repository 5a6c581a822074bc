"""Images of concurrent requests, run together."""

import asyncio
import collections
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from lrl_keras.serving.problems import Busy


class Batcher:
    """Runs the images of several requests at once and gives each request its own.

    A batch is run as soon as `batch_size` images wait, or the first of them has waited for
    `batch_timeout`. A request of more images is cut; of a request that is cancelled, images that
    still wait are never run. If a batch fails, each of its requests is run by itself, so that one
    request's image is no other's error.

    Args:
        run: called in a thread, with uint8 or float32 (B, S, S, 3); returns a dict of arrays
            (B, ...). One batch runs at a time.
        batch_size: images that are run at once.
        batch_timeout: seconds.
        queue_size: images that wait at most.
        on_batch: called with the images and the seconds of each batch that was run.
    """

    def __init__(self, run, batch_size, batch_timeout, queue_size, on_batch):
        self.waiting = 0
        self._run = run
        self._batch_size = batch_size
        self._batch_timeout = batch_timeout
        self._queue_size = queue_size
        self._on_batch = on_batch
        self._jobs = collections.deque()
        self._thread = ThreadPoolExecutor(1, "lrl_keras_batches")
        self._worker = None
        self._arrived = asyncio.Event()

    async def __call__(self, images):
        """Run images.

        Args:
            images: uint8 or float32 (N, S, S, 3), N at most `queue_size`.

        Returns:
            dict of arrays (N, ...).

        Raises:
            Busy: too many images wait.
            Exception: what `run` raised for these images.
        """
        self.check(len(images))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        job = _Job(images)
        self._jobs.append(job)
        self.waiting += len(images)
        self._arrived.set()
        try:
            return await job.done
        finally:
            self._drop(job)

    def check(self, count):
        """Raise `Busy` unless there is room for this many images."""
        if self.waiting + count > self._queue_size:
            raise Busy("queue", f"{self.waiting} of {self._queue_size} places are taken")

    async def close(self):
        """Stop; what still waits is cancelled."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        for job in tuple(self._jobs):
            job.done.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self):
        while True:
            await self._collect()
            parts = self._take()
            if parts:
                await self._answer(parts)

    async def _collect(self):
        """Wait until a batch is due."""
        while self.waiting < self._batch_size:
            left = None
            if self._jobs:
                left = self._jobs[0].since + self._batch_timeout - time.monotonic()
                if left <= 0:
                    return
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except asyncio.TimeoutError:
                return

    def _take(self):
        """Take the next images: list of (job, images)."""
        parts, room = [], self._batch_size
        while room and self._jobs:
            job = self._jobs[0]
            images = job.images[job.taken : job.taken + room]
            parts.append((job, images))
            job.taken += len(images)
            room -= len(images)
            self.waiting -= len(images)
            if job.taken == len(job.images):
                self._jobs.popleft()
        return parts

    async def _answer(self, parts):
        images = np.concatenate([images for _, images in parts])
        loop = asyncio.get_running_loop()
        start = time.perf_counter()
        try:
            outputs = await loop.run_in_executor(self._thread, self._checked, images)
        except Exception as error:
            if len(parts) > 1:
                for part in parts:
                    await self._answer([part])
            else:
                (job, _), = parts  # fmt: skip
                self._fail(job, error)
            return
        self._on_batch(len(images), time.perf_counter() - start)
        at = 0
        for job, images in parts:
            job.add({name: value[at : at + len(images)] for name, value in outputs.items()})
            at += len(images)

    def _checked(self, images):
        outputs = self._run(images)
        for name, value in outputs.items():
            if len(value) != len(images):
                raise ValueError(f"{name} has {len(value)} rows for {len(images)} images")
        return outputs

    def _fail(self, job, error):
        if not job.done.done():
            job.done.set_exception(error)
        self._drop(job)

    def _drop(self, job):
        """Forget the images of a job that still wait."""
        if job in self._jobs:
            self._jobs.remove(job)
            self.waiting -= len(job.images) - job.taken


class _Job:
    """The images of one request."""

    def __init__(self, images):
        self.images = images
        self.taken = 0
        self.since = time.monotonic()
        self.done = asyncio.get_running_loop().create_future()
        self._found = []

    def add(self, outputs):
        """Add the outputs of the next images; with those of the last image the job is done."""
        self._found.append(outputs)
        count = sum(len(next(iter(found.values()))) for found in self._found)
        if count == len(self.images) and not self.done.done():
            self.done.set_result(
                {name: np.concatenate([found[name] for found in self._found]) for name in outputs}
            )
