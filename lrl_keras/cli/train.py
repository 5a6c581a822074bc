"""`lrl-keras train`"""

import argparse

from lrl_keras.cli.tables import standard_output_to_error, verbosity
from lrl_keras.models import DETECTORS
from lrl_keras.system.options import Argument, Option, add_to
from lrl_keras.training import settings, trainer

NOTE = (
    "Reads RECORDS (splits train and val), writes the run directory RUN: config.json, "
    "best.weights.h5, checkpoints, history.csv and TensorBoard logs. The defaults are the paper's "
    "where it says them; `--detector NAME --help` shows the options of another detector."
)
KEPT = "; with --resume the same command goes on after the last finished epoch"
HERE: dict[str, Option | Argument] = {
    "records": Argument("RECORDS", "folder of records"),
    "run": Argument("RUN", "folder of the run"),
    "resume": Option(False, "go on with RUN after its last finished epoch", switch=True),
    "detector": settings.DETECTOR,
}


def declare(parser, argv):
    """Add the options of the detector that is named."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--detector", default=settings.DETECTOR.default)
    first.add_argument("--protocol")
    given = first.parse_known_args(argv)[0]
    # Another name is told by the parser itself.
    name = given.detector if given.detector in DETECTORS else settings.DETECTOR.default
    known = settings.options(name, given.protocol)
    add_to(parser, {**HERE, **known})


def run(arguments):
    """Train, and print the folder of the run."""
    given = {name: each for name, each in vars(arguments).items() if name != "others"}
    records, folder = given.pop("records"), given.pop("run")
    resume = given.pop("resume", False)
    chosen = None
    if not resume:
        chosen = settings.Settings(**given)
    elif given:
        chosen = settings.saved_settings(folder).replace(**given)
    with standard_output_to_error():
        trainer.train(records, folder, chosen, resume=resume, verbose=verbosity())
    print(folder)
    return 0
