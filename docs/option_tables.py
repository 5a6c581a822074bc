"""Tables of options in the guides, made of the declarations that the command line is made of.

A line `[options of NAME]` in a page becomes the table of the command NAME, of the training of a
detector (`[options of train classifier]`), or of a dataset (`[options of prepare dfd]`).
"""

import importlib
import re

from lrl_keras.system.options import Argument

_LINE = re.compile(r"^\[options of ([\w-]+)(?: ([\w-]+))?\]$", re.MULTILINE)


def on_page_markdown(markdown, **_):
    """Called by MkDocs for each page."""
    return _LINE.sub(lambda found: table(*found.groups()), markdown)


def table(command, kind=None):
    """Markdown of a command's options.

    Args:
        command: one of `lrl_keras.cli.main.VERBS`.
        kind: the detector of `train`, the dataset of `prepare`.
    """
    lines = ["| option | default | |", "|---|---|---|"]
    for name, option in _options(command, kind).items():
        if isinstance(option, Argument):
            continue
        flag = f"`--{name.replace('_', '-')}`"
        text = option.help
        if option.choices and not option.metavar:
            text += f": {', '.join(map(str, option.choices))}"
        lines.append(f"| {flag} | {option.words or '-'} | {text.replace('|', '/')} |")
    return "\n".join(lines)


def _options(command, kind):
    verb = importlib.import_module(f"lrl_keras.cli.{command}")
    if command == "train":
        from lrl_keras.training import settings

        return {**verb.HERE, **settings.options(kind or "lrl")}
    if command == "prepare":
        from tfrecords.build import OPTIONS
        from tfrecords.sources import SOURCES

        return {**(SOURCES[kind].OPTIONS if kind else {**OPTIONS, **verb.HERE})}
    from lrl_keras.cli.main import options

    return options(verb)
