"""Speed of a network on every runtime, and of its training, side by side."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrl_keras.benchmark.row import MATRIX
from lrl_keras.errors import InputError
from lrl_keras.models import multiply_adds
from lrl_keras.plots import figures
from lrl_keras.saving.run import Run
from lrl_keras.system import files
from lrl_keras.system.hardware import cores, this_machine

if TYPE_CHECKING:
    from lrl_keras.models import Detector

BATCHES = (1, 8)
_PRODUCT = "matrix product"
_TRAINING = "training step"
# Named, not imported: the row's own process loads it.
_STEP = "lrl_keras.training.timed_step:prepared"
# The forward pass, and as much each for the gradients of a layer's input and of its weights.
_PASSES_OF_A_STEP = 3


def benchmark_inference(
    model: Detector | None,
    rows: Mapping[str, str | os.PathLike[str]],
    *,
    training: str | os.PathLike[str] | None = None,
    batches: Sequence[int] = BATCHES,
    seconds: float = 2.0,
    repeats: int = 5,
    threads: int | None = None,
) -> dict[str, Any]:
    """Measure exported files, a run in Keras, and a step of its training, on the same faces.

    Each row lives in a process of its own. The rows take turns, so that a machine that is busy
    for a while is slow for all of them, and a product of two matrices takes its turn among them:
    the share of its rate that a row reaches says more than images a second, which differ from
    machine to machine and from hour to hour.

    Args:
        model: the network of the rows, for its multiply-adds; `None` where they are of several
            ones, then there are no `multiply_adds` and no `share_of_peak`.
        rows: dict of a row's name to the path of an exported file, or of a run directory, which
            is measured in Keras.
        training: folder of a run, a step of whose training is a row of its own.
        batches: faces at once.
        seconds: length of a turn.
        repeats: turns of each row and batch.
        threads: processor cores to use. Defaults to all.

    Returns:
        dict that can be written as JSON: `rows`, a list of dicts with `row`, `batch`,
        `images_per_second` (the median of all turns), `least` and `most` of them, `p50_ms` and
        `p99_ms` (of a call), `peak_mb` (of the process), `multiply_adds` (of an image, in training
        three times those of its answer) and `share_of_peak`; `matrix_product`, GFLOP/s, its
        `median`, `least` and `most`; `multiply_adds` by part of the network; `seconds`, `repeats`,
        `threads`; and `machine`.

    Raises:
        InputError: there is no row, or one cannot be loaded or fails.
    """
    if repeats < 1 or not batches or min(batches) < 1:
        raise InputError("repeats and batches must be at least 1")
    threads = threads or cores()
    machine = this_machine()
    costs = {} if model is None else multiply_adds(model)
    commands = {name: (_kind(path), os.fspath(path)) for name, path in rows.items()}
    if training is not None:
        commands[_TRAINING] = _STEP, os.fspath(training)
    if not commands:
        raise InputError("there is nothing to measure; name formats that can be exported")
    with contextlib.ExitStack() as stack:
        processes = {
            name: stack.enter_context(_Row(name, *command, threads))
            for name, command in commands.items()
        }
        product = stack.enter_context(_Row(_PRODUCT, "matrix", "-", threads))
        outputs = {name: row.ready() for name, row in processes.items()}
        product.ready()
        turns = {(name, batch): [] for name in commands for batch in batches}
        rates = []
        # The first round warms up, and does not count.
        for number in range(repeats + 1):
            rates.append(product.turn(1, seconds / 2))
            for name, batch in turns:
                turns[name, batch].append(processes[name].turn(batch, seconds))
            if number == 0:
                rates.clear()
                for found in turns.values():
                    found.clear()
    peaks = [2 * MATRIX**3 / np.median(turn["calls"]) / 1e9 for turn in rates]
    peak = float(np.median(peaks))
    result = {
        "rows": [
            _summary(name, batch, found, _cost(costs, name, outputs[name]), peak)
            for (name, batch), found in turns.items()
        ],
        "matrix_product": {"median": peak, "least": min(peaks), "most": max(peaks)},
        "seconds": seconds,
        "repeats": repeats,
        "threads": threads,
        "machine": machine,
    }
    return {**result, "multiply_adds": costs} if costs else result


def write(result, out):
    """Write `benchmark.json`, and its numbers as `benchmark.png` and `parts.png`, to a folder.

    Args:
        result: what `benchmark_inference` returned, perhaps with `parts_ms` of `parts_of`.
        out: folder that is there.
    """
    files.write_json(files.join(out, "benchmark.json"), result)
    groups = {}
    for row in result["rows"]:
        bar = (row["images_per_second"], row["least"], row["most"])
        groups.setdefault(f"batch of {row['batch']}", {})[row["row"]] = bar
    figures.bars(groups, "images a second", files.join(out, "benchmark.png"))
    if "parts_ms" in result:
        parts = {name: (value,) * 3 for name, value in result["parts_ms"].items()}
        figures.bars({"": parts}, "milliseconds an image", files.join(out, "parts.png"))


def _kind(path):
    return "keras" if Run.exists(path) else "exported"


def _cost(costs, name, outputs):
    """Return the multiply-adds of an image; a row without a mask has no decoder."""
    if not costs:
        return None
    cost = costs["total"] - (0 if "mask" in outputs else costs.get("decoder", 0))
    return cost * (_PASSES_OF_A_STEP if name == _TRAINING else 1)


def _summary(name, batch, turns, cost, peak):
    rates = [batch / float(np.median(turn["calls"])) for turn in turns]
    calls = 1000 * np.concatenate([turn["calls"] for turn in turns])
    rate = float(np.median(rates))
    return {
        "row": name,
        "batch": batch,
        "images_per_second": round(rate, 2),
        "least": round(min(rates), 2),
        "most": round(max(rates), 2),
        "p50_ms": round(float(np.percentile(calls, 50)), 2),
        "p99_ms": round(float(np.percentile(calls, 99)), 2),
        "peak_mb": round(max(turn["peak_mb"] for turn in turns)),
        **(
            {"multiply_adds": cost, "share_of_peak": round(2 * cost * rate / 1e9 / peak, 3)}
            if cost
            else {}
        ),
    }


class _Row:
    """The process of one row."""

    def __init__(self, name, kind, path, threads):
        self._name = name
        self._command = [sys.executable, "-m", "lrl_keras.benchmark.row", kind, path, str(threads)]

    def __enter__(self):
        self._process: Any = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def ready(self):
        """Wait until the row is loaded and return the names of its outputs."""
        return json.loads(self._read())

    def turn(self, batch, seconds):
        """Run one turn and return the times of its calls and the peak memory, as a dict."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{batch} {seconds}\n")
            self._process.stdin.flush()
        return json.loads(self._read())

    def _read(self):
        line = self._process.stdout.readline()
        if not line:
            lines = self._process.communicate()[1].strip().splitlines() or ["it ended"]
            raise InputError(f"{self._name}: cannot be measured ({lines[-1][:300]})")
        return line
