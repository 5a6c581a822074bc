"""A format of exported files, and the use that its runtime makes of the processor's cores."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import queue
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Format:
    """A kind of file that `lrl_keras.export` writes, with the runtime that runs it.

    Attributes:
        name: value of `format=` of `lrl_keras.export.export`.
        runtime: name of the module that runs it.
        load: `load(runtime, file, threads)` gives the shape of one input, (S, S, 3) or of sequences
            (F, S, S, 3), the names of the outputs and a function from images to a dict of arrays
            by output.
        writer: name of a module with `write(form, file, chosen, calibration)`, see
            `lrl_keras.export.onnx`.
        packages: those that writing needs beside TensorFlow: import name to package.
        ending: of its files; `None` where it is a folder that `marker` lies in.
        marker: name of a file in the folder.
        int8: whether it holds 8-bit whole numbers.
    """

    name: str
    runtime: str
    load: Callable
    writer: str
    packages: dict[str, str]
    ending: str | None = None
    marker: str | None = None
    int8: bool = True


class Pool:
    """Things of which each is used by one thread at a time."""

    def __init__(self, things: Iterable[Any]) -> None:
        self._free = queue.SimpleQueue()
        for thing in things:
            self._free.put(thing)

    @contextlib.contextmanager
    def one(self) -> Iterator[Any]:
        thing = self._free.get()
        try:
            yield thing
        finally:
            self._free.put(thing)


def split(
    alone: Callable[[np.ndarray], dict[str, np.ndarray]],
    side_by_side: Callable[[np.ndarray], dict[str, np.ndarray]],
    threads: int,
) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Run one image on all cores, and of several each on a core of its own.

    Faster than one batch on all cores: the maps of one image stay in the core's cache, and no
    thread waits for another inside the network.
    """
    workers = concurrent.futures.ThreadPoolExecutor(threads, "lrl_keras") if threads > 1 else None

    def run(images):
        if workers is None or len(images) == 1:
            parts = [alone(images[index : index + 1]) for index in range(len(images))]
        else:
            parts = list(workers.map(side_by_side, np.split(images, len(images))))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    return run
