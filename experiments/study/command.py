"""The command line that all experiments have in common."""

import argparse
import contextlib
import dataclasses
import shlex
import sys

from experiments.study import grid
from lrl_keras.cli.main import messages
from lrl_keras.errors import InputError, UnreachableError
from lrl_keras.system import files
from lrl_keras.system.options import Option, add_to
from lrl_keras.training.settings import Settings, options
from tfrecords.build import OPTIONS

ROOTS = {
    "ffpp": "FaceForensics++",
    "celeb_df": "Celeb-DF v1 or v2",
    "dfdc": "the DFDC preview",
    "dfd": "DeepFakeDetection",
    "portraits": "real portraits, one identity each",
    "faces": "real faces, one folder a person",
}

_OF_TRAINING = (
    "protocol",
    "backbone",
    "weights",
    "image_size",
    "epochs",
    "batch_size",
    "learning_rate",
    "halve_every",
    "precision",
    "cache",
)

# Everything runs in minutes and the numbers mean nothing.
_SMOKE = {
    "frames_per_video": 4,
    "image_size": 160,
    "backbone": "tiny",
    "weights": None,
    "epochs": 1,
    "batch_size": 4,
    "seeds": (0,),
}


@dataclasses.dataclass(frozen=True)
class Choice:
    """The user's choices for an experiment.

    Attributes:
        out: folder of the experiments.
        roots: folders of the datasets, by their names in `ROOTS`.
        frames_per_video, image_size: of the records, the latter of the networks too.
        backbone: of every network; `None`: of each its own.
        weights: `"imagenet"` or `None`.
        protocol, epochs, batch_size, learning_rate, halve_every, cache, precision: as in
            `lrl_keras.training.Settings`.
        given: names of what was chosen, by the user or by the experiment; of the rest each network
            has its own defaults.
        seeds: of the trainings, one run each.
        index, of: this machine's share of the runs.
        workers: processes that prepare records; `None`: one for each core.
        prepare_only: stop when the records are there.
        overwrite: make records anew that were made otherwise.
        smoke: whether all of it is only to be seen working.
        command: the command line.
        extra: what this experiment alone asks for, by name: whole numbers, names, or tuples.
        measured: folders of further records to measure on.
    """

    out: str
    roots: dict
    frames_per_video: int
    image_size: int
    backbone: str | None
    weights: str | None
    protocol: str
    epochs: int
    batch_size: int
    learning_rate: float
    halve_every: int
    cache: bool
    precision: str
    seeds: tuple
    index: int
    of: int
    workers: int | None
    prepare_only: bool
    overwrite: bool
    smoke: bool
    command: str
    extra: dict
    measured: tuple
    given: frozenset

    def settings(self, seed, **others):
        """Make the `Settings` of one training: what was chosen, and `others` of the network."""
        names = self.given & set(_OF_TRAINING) & options(others.get("detector", "lrl")).keys()
        chosen = {name: getattr(self, name) for name in names} | {"seed": seed, **others}
        if chosen.get("weights", "imagenet") is None:
            chosen["head_epochs"] = 0
        return Settings(**chosen)


def run(
    module, doc, roots, experiment, argv=None, optional=(), extra=None, measured=False, **defaults
):
    """Run an experiment from its command line.

    Args:
        module: its name, as after `python -m`.
        doc: its docstring, shown by `--help`.
        roots: names in `ROOTS` of the datasets that it needs.
        experiment: function of a `Choice`, returning an object that has `records` (all that must be
            prepared), `tasks()` (of `grid.work`) and `report()` (writes, returns the paths).
        argv: the command line. Defaults to that of the process.
        optional: names in `ROOTS` of datasets that it can do without.
        extra: dict of name to (`Option`, default of `--smoke`) of further options; of several
            numbers there must be as many as the default has.
        measured: whether it takes finished records to measure on.
        **defaults: that differ from the paper's.

    Returns:
        exit code: 0 done, 1 it failed.
    """
    choice = parse(module, doc, roots, argv, optional, extra, measured, **defaults)
    try:
        with messages(module):
            return _run(experiment(choice), choice)
    except (InputError, UnreachableError, OSError) as error:
        print(f"{module}: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{module}: interrupted; the same command goes on where it was", file=sys.stderr)
        return 130


def _run(experiment, choice):
    # A wrong path is not found out after hours of preparing the others.
    for records in experiment.records:
        files.require(records.root)
        if not files.is_folder(records.root):
            raise InputError(f"{records.root}: no such folder; give that of {records.source}")
    for records in experiment.records:
        records.prepare(choice.workers, choice.overwrite)
    if choice.prepare_only:
        return 0
    # Keras shows its progress on standard output.
    with contextlib.redirect_stdout(sys.stderr):
        failures = grid.work(experiment.tasks(), choice.index, choice.of)
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    for path in experiment.report():
        print(path)
    return 1 if failures else 0


def parse(module, doc, roots, argv=None, optional=(), extra=None, measured=False, **defaults):
    """Parse a command line to a `Choice`; arguments as of `run`."""
    argv = sys.argv[1:] if argv is None else argv
    extra = extra or {}
    declared = _declared(defaults)
    paper = {name: option.default for name, option in declared.items()}
    parser = _parser(module, doc, declared)
    for root in (*roots, *optional):
        parser.add_argument(
            f"--{root.replace('_', '-')}",
            required=root in roots,
            metavar="ROOT",
            help=f"folder of {ROOTS[root]}",
        )
    add_to(parser, {name: option for name, (option, _) in extra.items()})
    if measured:
        parser.add_argument(
            "--measure", nargs="+", default=(), metavar="RECORDS", help="to measure on, unseen"
        )
    given = vars(parser.parse_args(argv))
    for name, (option, smoke) in extra.items():
        given.setdefault(name, smoke if given.get("smoke") else option.default)
        if option.many and not option.choices and len(given[name]) != len(option.default):
            parser.error(f"--{name} takes {len(option.default)} numbers")
    given = {name: tuple(each) if isinstance(each, list) else each for name, each in given.items()}
    given["measured"] = given.pop("measure", ())
    chosen = {**paper, **(_SMOKE if given.get("smoke") else {}), **given}
    if not 0 <= chosen["index"] < chosen["of"]:
        parser.error(f"--index must be from 0 to {chosen['of'] - 1}, received {chosen['index']}")
    if len(set(chosen["seeds"])) < len(chosen["seeds"]):
        parser.error("--seeds must differ: the same seed gives the same training")
    apart = {"roots", "command", "extra", "given"}
    names = {field.name for field in dataclasses.fields(Choice)} - apart
    return Choice(
        roots={root: given[root] for root in (*roots, *optional) if given[root] is not None},
        command=shlex.join(["python", "-m", module, *argv]),
        extra={name: given[name] for name in extra},
        given=frozenset({*given, *defaults, *(_SMOKE if given.get("smoke") else ())}),
        **{name: chosen[name] for name in names},
    )


def _declared(defaults):
    """Declare the `Option`s of all experiments, with the defaults of this one."""
    training, files_of = options("lrl"), OPTIONS
    found = {
        "seeds": Option((0,), "of the trainings, one run each", least=0, most=2**32 - 1),
        "frames_per_video": files_of["frames_per_video"],
        **{name: training[name] for name in _OF_TRAINING},
        "backbone": Option(None, "of every network", type=str, stated="of each its own"),
        "workers": Option(
            None,
            "processes that prepare the records",
            least=1,
            type=int,
            stated="one for each core",
        ),
        "prepare_only": Option(False, "make the records, do not train", switch=True),
        "overwrite": Option(False, "make records anew that were made otherwise", switch=True),
        "index": Option(0, "which share of the runs is this machine's, from 0"),
        "of": Option(1, "machines that share the runs", least=1),
        "smoke": Option(
            False,
            "tiny, to see it work, in an OUT of its own; the numbers mean nothing",
            switch=True,
        ),
    }
    for name, default in defaults.items():
        stated = None if default is not None else found[name].stated
        found[name] = dataclasses.replace(found[name], default=default, stated=stated)
    return found


def _parser(module, doc, declared):
    """Make the parser of an experiment; options that are not given stay out of the result."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("out", metavar="OUT", help="folder of all experiments")
    add_to(parser, declared)
    return parser
