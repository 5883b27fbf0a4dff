"""The error for what a user gave and the program cannot use."""


class InputError(ValueError):
    """A configuration, file, folder or checkpoint that cannot be used.

    The message is one line that names the key or file, the value found and what
    was expected; `main` prints it without a traceback.
    """
