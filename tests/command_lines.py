"""Runs command lines of `sisr_jax.main`, importing it once: each in a fork of its own.

    python tests/command_lines.py < ARGUMENTS.json

Reads a list of lists of arguments; prints `[exit code, standard error]` of each.
"""

import json
import os
import sys
import tempfile

from absl import app

from sisr_jax import main


def run(arguments):
    with tempfile.TemporaryFile("w+") as errors:
        pid = os.fork()
        if not pid:
            os.dup2(errors.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.argv = ["main", *arguments]
            app.run(main.main, flags_parser=main.parse_flags)
        _, status = os.waitpid(pid, 0)
        errors.seek(0)
        return os.waitstatus_to_exitcode(status), errors.read()


if __name__ == "__main__":
    print(json.dumps([run(arguments) for arguments in json.load(sys.stdin)]))
