"""Apache Beam's own options: parsed, checked, and set for a job on this machine."""

import contextlib
import io
import logging

from apache_beam.options.pipeline_options import (
    DirectOptions,
    PipelineOptions,
    SetupOptions,
    TypeOptions,
    WorkerOptions,
)

from lrl_keras.errors import InputError

# The workers of these runners are processes of this machine.
_LOCAL = ("directrunner", "bundlebaseddirectrunner", "switchingdirectrunner", "fnapirunner")
# Other runners take options that only the cluster knows.
_ALL_OPTIONS_KNOWN = (*_LOCAL, "prismrunner", "dataflowrunner")


def parse(runner, options):
    """Parse Beam's own options, with our defaults for a job on this machine.

    Args:
        runner: name of the runner.
        options: texts as on a command line.

    Returns:
        `apache_beam.options.pipeline_options.PipelineOptions`.

    Raises:
        InputError: Beam knows no such runner or option, or one is missing.
    """
    settings, unknown = _parsed([f"--runner={runner}", *options])
    strays = [
        text
        for text, before in zip(options, ("", *options), strict=False)
        if not text.startswith("--") and ("=" in before or not before.startswith("--"))
    ]
    if _name(runner) in _ALL_OPTIONS_KNOWN:
        strays += [f"--{name}" for name in unknown]
    if strays:
        raise InputError(f"{strays[0]}: no option of this command and none of Apache Beam")
    if "--save_main_session" not in options:
        settings.view_as(SetupOptions).save_main_session = False
    if is_local(runner):
        _set_local_defaults(settings, options)
    return settings


def is_local(runner):
    """Tell whether the workers of a runner are processes of this machine."""
    return _name(runner) in _LOCAL


def is_given(name, options):
    """Tell whether an option was given by the user."""
    return any(text.partition("=")[0] == f"--{name}" for text in options)


def _parsed(flags):
    """Parse flags to Beam's options, and the names of those that it does not know."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), _muted():
        try:
            settings = PipelineOptions(flags)
            known = settings.get_all_options()
            everything = settings.get_all_options(retain_unknown_options=True)
        except SystemExit:
            # Beam prints the usage of all its options before the reason.
            reason = said.getvalue().rpartition("error: ")[2]
            raise InputError(f"Apache Beam: {' '.join(reason.split())}") from None
    return settings, [name for name in everything if name not in known]


def _set_local_defaults(settings, options):
    # With Prism, a Go program that Beam would fetch from the internet, all workers would be
    # threads. Prism is left out where this option is set, which nothing here depends on.
    settings.view_as(TypeOptions).allow_unsafe_triggers = True
    direct = settings.view_as(DirectOptions)
    if direct.direct_num_workers != 1 and not is_given("direct_running_mode", options):
        direct.direct_running_mode = "multi_processing"
    if not is_given("default_sdk_harness_log_level", options):
        settings.view_as(WorkerOptions).default_sdk_harness_log_level = "CRITICAL"


def _name(runner):
    name = runner.rpartition(".")[2].lower()
    return name if name.endswith("runner") else f"{name}runner"


@contextlib.contextmanager
def _muted():
    """Silence Beam's warnings about itself."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
