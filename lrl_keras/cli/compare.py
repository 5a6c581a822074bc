"""`lrl-keras compare`"""

import contextlib
import logging
import os
import tempfile

from lrl_keras.cli.tables import print_comparison, print_json
from lrl_keras.errors import InputError
from lrl_keras.system.options import Argument, Option

_log = logging.getLogger(__name__)
_FACES_AT_ONCE = 8
KEPT = "; with --out the same command goes on after the last run that was scored"
NOTE = (
    "Prints for each run AUC of frames and of videos with 95 % intervals, balanced ACC, ACC, EER, "
    "parameters and multiply-adds; and the differences of the AUCs with intervals and p. With "
    "--out it writes comparison.json, comparison.md (with AUCs by method), roc.png, and each run's "
    "scores, which are kept for the next time."
)
OPTIONS = {
    "runs": Argument(
        "RUN", "folder of a run, default: the shipped detector, or exported file", "+"
    ),
    "records": Option(
        None, "folder of records", metavar="RECORDS", type=str, optional=False, required=True
    ),
    "split": Option(
        "test",
        "which part of the records; all is for records that no run was trained on",
        ("train", "val", "test", "all"),
    ),
    "methods": Option(
        None, "forgery methods to measure", metavar="METHOD", type=str, many=True, stated="all"
    ),
    "out": Option(None, "where to write", metavar="FOLDER", type=str, stated="nothing is written"),
    "batch_size": Option(32, "faces scored at once", least=1, most=100_000),
    "pairs": Option(
        "all", "pairs of runs that are tested, or each with the first", ("all", "first")
    ),
    "resamples": Option(
        1000, "resamples of the videos, which intervals are from", least=100, most=1_000_000
    ),
    "seed": Option(0, "of the resamples", least=0, most=2**32 - 1),
    "speed": Option(
        False,
        f"measure images a second, {_FACES_AT_ONCE} at once: runs on ONNX Runtime, exported files "
        "on their own",
        switch=True,
    ),
    "json": Option(False, "print everything as one JSON line", switch=True),
}


def run(arguments):
    """Measure and print tables."""
    from lrl_keras.data import Records
    from lrl_keras.evaluation import comparison
    from lrl_keras.saving.run import Run

    records = Records.open(arguments.records)
    for path in arguments.runs if arguments.split == "all" else ():
        if Run.exists(path) and Run.open(path).records == records.fingerprint:
            _log.warning(
                "%s was trained on a part of %s; its metrics say nothing of other faces",
                path, records,
            )  # fmt: skip
    result = comparison.compare(
        arguments.runs,
        records,
        arguments.split,
        methods=arguments.methods,
        batch_size=arguments.batch_size,
        resamples=arguments.resamples,
        seed=arguments.seed,
        pairs=arguments.pairs,
        out=arguments.out,
    )
    if arguments.speed:
        _measure_speed(result, arguments.out)
        if arguments.out is not None:
            comparison.write(result, arguments.out)
    if arguments.json:
        print_json(result)
    else:
        print_comparison(result)
    return 0


def _measure_speed(result, out):
    """Give the runs of a result their `images_per_second`, where they can be measured."""
    from lrl_keras import benchmark

    with contextlib.ExitStack() as stack:
        place = out or stack.enter_context(tempfile.TemporaryDirectory(prefix="lrl_keras_"))
        rows = {name: _exported(name, run["path"], place) for name, run in result["runs"].items()}
        rows = {name: path for name, path in rows.items() if path is not None}
        try:
            speed = benchmark.benchmark_inference(None, rows, batches=(_FACES_AT_ONCE,))
        except InputError as error:
            # Hours of scoring are not lost for it.
            _log.warning("no images a second: %s", error)
            return
    result["speed"] = speed
    for row in speed["rows"]:
        result["runs"][row["row"]]["images_per_second"] = row["images_per_second"]


def _exported(name, path, place):
    """Return the file to measure, or `None` where there is no ONNX file of a run."""
    import lrl_keras
    from lrl_keras import export
    from lrl_keras.saving.run import Run

    if not Run.exists(path):
        return path
    model, folder = lrl_keras.load(path), os.path.join(place, name, "onnx")
    _log.info("%s", folder)
    try:
        return export.finished(folder, model) or export.export(
            model, folder, "onnx", outputs="label"
        )
    except InputError as error:
        _log.warning("no images a second of %s: %s", path, error)
        return None
