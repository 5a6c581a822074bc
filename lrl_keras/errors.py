"""What a user can mend, and what may pass by itself."""


class InputError(ValueError):
    """A file, folder or argument from outside is wrong.

    The message is one line that names the thing and the way out; the command line prints it and
    exits with 1.
    """


class UnreachableError(Exception):
    """Reading stopped in the middle of a file behind a URL: nothing is known about the file.

    Neither an `OSError` nor an `InputError`, so that no reader takes the file for damaged.
    """
