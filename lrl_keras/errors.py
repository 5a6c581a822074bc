"""Errors that a user can mend, and one that may pass by itself."""


class InputError(ValueError):
    """Error in a file, folder or argument that a user gave.

    The message is one line that names it and the remedy; the command line prints the line, with
    arguments in backticks such as `resume=True` as flags, and exits with 1.
    """


class UnreachableError(Exception):
    """Failure to read on in a file behind a URL, which may be intact.

    It is neither an `OSError` nor an `InputError`, so that no reader takes the file for damaged.
    """


def how_to_install(extra: str, constraints: str = "latest") -> str:
    """Return the command that installs an extra; nothing is on the Python index yet."""
    return f"pip install -c constraints/{constraints}.txt -e '.[{extra}]' in a clone of the project"
