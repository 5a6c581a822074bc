"""The one exception for mistakes that a user can mend."""


class InputError(ValueError):
    """A file, folder or argument from outside is wrong.

    The message is one line that names the thing and the way out; the command line prints it and
    exits with 1.
    """
