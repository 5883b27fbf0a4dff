"""The errors that end a run with one line instead of a traceback."""


class InputError(ValueError):
    """A configuration, file, folder or checkpoint that cannot be used.

    The message is one line that names the key or file, the value found and what
    was expected; `main` prints it without a traceback.
    """


class StorageError(OSError):
    """A storage that fails in the middle of a run: disk full, server gone.

    The message is one line that names what was being done and to which file. What
    was complete before is intact, so the same command resumes once the storage is
    well again.
    """
