"""`lrl-keras`: finds the verb, reads its options, runs it, and prints its messages and errors."""

import argparse
import contextlib
import importlib
import logging
import os
import re
import sys
import types
import warnings
from pathlib import Path

from lrl_keras.errors import InputError, UnreachableError
from lrl_keras.system.options import Argument, add_to, complete
from lrl_keras.system.quiet import import_tensorflow

# Each is the module of its name in this folder; only the one that is named is imported.
VERBS = {
    "prepare": "Make records of faces and masks from a dataset's videos or images.",
    "inspect": "Look at records: counts, drops and reasons, checksums, images.",
    "train": "Train on records.",
    "evaluate": "Measure a run on records, frame and video level.",
    "predict": "Score images, videos and folders of them.",
    "convert": "Make a run of weights that another project published.",
    "export": "Make a file of a run that others load without this package.",
    "serve": "Answer over HTTP as TensorFlow Serving does.",
    "benchmark": "Measure the speed of this machine.",
    "demo": "See all of it work in some minutes, without any download.",
}
# Their options are declared by datasets, detectors and augmentations, which need it.
_WITH_TENSORFLOW = ("prepare", "train", "benchmark")
_PACKAGE = str(Path(__file__).parents[1])
_log = logging.getLogger(__name__)


def main(argv=None):
    """Run a command line.

    Args:
        argv: list of strings. Defaults to the arguments of the process.

    Returns:
        exit code: 0 done, 1 it failed, 2 wrong usage (raised by `argparse`), 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv and argv[0] in VERBS else None
    if name in _WITH_TENSORFLOW:
        import_tensorflow()
    verb = name and importlib.import_module(f"lrl_keras.cli.{name}")
    parser = _parser(name, verb, argv)
    arguments, others = parser.parse_known_args(argv)
    given = {key: value for key, value in vars(arguments).items() if key != "verb"}
    if others and not given.get("runner"):
        parser.error(
            f"unrecognized arguments: {' '.join(others)}; see `lrl-keras {arguments.verb} --help`"
        )
    import_tensorflow()
    with messages("lrl-keras"):
        return _run(verb, given, others)


def _run(verb, given, others):
    try:
        return verb.run(_completed(verb, given, others))
    except (InputError, UnreachableError, FloatingPointError) as error:
        _log.error("%s", _with_flags(str(error)))
        return 1
    except KeyboardInterrupt:
        _log.info("interrupted%s", getattr(verb, "KEPT", ""))
        return 130
    except BrokenPipeError:
        # The reader of standard output has left, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # A place that cannot be written, a full disk.
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        _log.error("%s", " ".join(reason.split()))
        return 1


@contextlib.contextmanager
def messages(program):
    """Show what these packages log and warn of as `PROGRAM: warning: ...` on standard error.

    Args:
        program: name of the command.
    """

    class Formatter(logging.Formatter):
        def format(self, record):
            level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
            return f"{program}: {level}{super().format(record)}"

    def format_warning(message, category, filename, lineno, line=None):
        if category is UserWarning and filename.startswith(_PACKAGE):
            return f"{program}: warning: {message}\n"
        return others(message, category, filename, lineno, line)

    handler, others = logging.StreamHandler(), warnings.formatwarning
    handler.setFormatter(Formatter())
    logs = [logging.getLogger(name) for name in ("lrl_keras", "tfrecords")]
    before = [(log, log.level, log.propagate) for log in logs]
    warnings.formatwarning = format_warning
    for log in logs:
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False
    try:
        yield
    finally:
        warnings.formatwarning = others
        for log, level, propagate in before:
            log.removeHandler(handler)
            log.setLevel(level)
            log.propagate = propagate


def _with_flags(message):
    """Write arguments that a message names, such as `resume=True`, as flags: --resume."""

    def flag(found):
        name, value = found[1].replace("_", "-"), found[2].replace("'", "")
        if value in ("", "True"):
            return f"--{name}"
        return f"--no-{name}" if value == "False" else f"--{name} {value.replace('None', 'none')}"

    return re.sub(r"`(\w+)=([^`]*)`", flag, message)


def options(verb):
    """Return the `Option`s and `Argument`s of a verb's module by name, those of its groups too."""
    found = dict(verb.OPTIONS)
    for group in getattr(verb, "GROUPS", {}).values():
        found |= group
    return found


def _parser(name, verb, argv):
    from lrl_keras import __version__

    whole = argparse.ArgumentParser(
        prog="lrl-keras",
        description="Local Relation Learning for face forgery detection.",
        epilog="Exit codes: 0 done, 1 it failed, 2 wrong usage, 130 interrupted.",
    )
    whole.add_argument("--version", action="version", version=f"lrl-keras {__version__}")
    verbs = whole.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    for each, summary in VERBS.items():
        note = f" {verb.NOTE}" if each == name else ""
        # Abbreviations would stop working as options are added.
        parser = verbs.add_parser(
            each, help=summary, description=summary + note, allow_abbrev=False
        )
        if each != name:
            continue
        if hasattr(verb, "declare"):
            verb.declare(parser, argv[1:])
            continue
        add_to(parser, verb.OPTIONS)
        for title, group in getattr(verb, "GROUPS", {}).items():
            add_to(parser.add_argument_group(title), group)
    return whole


def _completed(verb, given, others):
    """Return the verb's arguments, with defaults for options not given.

    A verb that declares its options itself gets those that were given alone.
    """
    if hasattr(verb, "declare"):
        return types.SimpleNamespace(**given, others=others)
    declared = options(verb)
    placed = {name: given.pop(name) for name in declared if isinstance(declared[name], Argument)}
    chosen = {name: each for name, each in declared.items() if name not in placed}
    return types.SimpleNamespace(**placed, **complete(chosen, given, "this command"))
