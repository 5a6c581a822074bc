"""`lrl-keras evaluate`"""

import logging

from lrl_keras.cli.tables import RUN, counted, print_json, print_metrics, print_robustness
from lrl_keras.errors import InputError
from lrl_keras.media.degradations import DEGRADATIONS, LEVELS
from lrl_keras.system.options import Argument, Option

_log = logging.getLogger(__name__)
NOTE = (
    "Prints ACC, balanced ACC, AUC, AP and EER per method and overall; writes metrics.json, "
    "scores.csv, roc.png and scores.png. With --degrade it goes on with faces that are degraded in "
    "eight ways at five levels each, prints the AUC and the share of other decisions, and writes "
    "robustness.json, robustness.csv and robustness.png."
)
OPTIONS = {
    "run": Argument("RUN", RUN),
    "records": Argument("RECORDS", "folder of records"),
    "split": Option(
        "test",
        "which part of the records; all is for records that the run was not trained on",
        ("train", "val", "test", "all"),
    ),
    "methods": Option(
        None,
        "forgery methods to measure",
        metavar="METHOD",
        type=str,
        many=True,
        stated="all",
    ),
    "out": Option(
        None,
        "where to write",
        metavar="FOLDER",
        type=str,
        stated="into RUN, which the shipped detector's is not written to",
    ),
    "batch_size": Option(32, "faces scored at once", least=1, most=100_000),
    "degrade": Option(
        False, "measure on degraded faces too; each one counts as a face scored", switch=True
    ),
    "degradations": Option(
        None,
        f"of {', '.join(DEGRADATIONS)}",
        DEGRADATIONS,
        metavar="NAME",
        type=str,
        many=True,
        stated="all",
    ),
    "levels": Option(
        None,
        "from 1, weak, to 5, strong",
        LEVELS,
        metavar="N",
        type=int,
        many=True,
        stated="all",
    ),
    "seed": Option(
        None,
        "of the degradations that draw: blocks and noise",
        least=0,
        most=2**32 - 1,
        metavar="N",
        type=int,
        stated="0",
    ),
    "json": Option(False, "print everything as one JSON line", switch=True),
}


def run(arguments):
    """Measure and print a table."""
    from lrl_keras.data import Records
    from lrl_keras.evaluation import evaluator
    from lrl_keras.saving.run import DEFAULT, Run

    if not arguments.degrade:
        for name in ("degradations", "levels", "seed"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name} says how faces are degraded; give --degrade as well")
    out = arguments.out or arguments.run
    if out == DEFAULT:
        raise InputError("default: the shipped detector is not written to; give --out FOLDER")
    trained, records = Run.open(arguments.run), Records.open(arguments.records)
    model = trained.network()
    if arguments.split == "all" and trained.records == records.fingerprint:
        _log.warning(
            "%s was trained on a part of %s; its metrics say nothing of other faces",
            arguments.run, arguments.records,
        )  # fmt: skip
    result = evaluator.evaluate(
        model,
        records,
        arguments.split,
        methods=arguments.methods,
        batch_size=arguments.batch_size,
        out=out,
    )
    robustness = _robustness(arguments, model, records, out) if arguments.degrade else None
    if arguments.json:
        print_json({**result, "robustness": robustness} if robustness else result)
        return 0
    print_metrics(result)
    if robustness:
        print_robustness(robustness)
    return 0


def _robustness(arguments, model, records, out):
    from lrl_keras.evaluation import robustness

    result = robustness.measure(
        {"model": model},
        records,
        arguments.split,
        methods=arguments.methods,
        degradations=arguments.degradations,
        levels=arguments.levels or LEVELS,
        seed=arguments.seed or 0,
        batch_size=arguments.batch_size,
        out={"model": out},
    )["model"]
    for name, cells in result["cells"].items():
        unchanged = max(cell["unchanged_faces"] for cell in cells)
        if unchanged:
            _log.warning(
                "%s changes nothing in %s: no colour or contrast to lose",
                name, counted(unchanged, "face"),
            )  # fmt: skip
    return result
