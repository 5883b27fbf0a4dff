"""Command lines of the commands: what is wrong with one is one line."""

import argparse
import contextlib
import math
from pathlib import Path
from typing import IO, NoReturn

from sisr_jax.errors import InputError


class RefusingParser(argparse.ArgumentParser):
    """A parser for which what is wrong with its arguments is an `InputError`."""

    def error(self, message: str) -> NoReturn:
        """As `argparse` calls it, which would print how the command is used, too."""
        raise InputError(message)

    def print_help(self, file: IO[str] | None = None) -> None:
        """As `argparse`, which would keep silent about a disk that is full."""
        with contextlib.suppress(BrokenPipeError):  # read as far as somebody cared to
            print(self.format_help(), end="", file=file)


class CommandParser(RefusingParser):
    """Arguments of a command, with its description."""

    def __init__(self, command: str, description: str | None) -> None:
        super().__init__(
            prog=f"python -m {command}",
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )


def as_place(text: str) -> Path:
    """A file or folder; an empty text would be where the command is given."""
    if not text.strip():
        raise argparse.ArgumentTypeError("empty, expected a file or folder")
    return Path(text)


def as_rescale(text: str) -> tuple[float, float]:
    """Slope and intercept, from stored to physical values."""
    try:
        slope, intercept = map(float, text.strip("()").split(","))
        if slope and math.isfinite(slope) and math.isfinite(intercept):
            return slope, intercept
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r}: expected SLOPE,INTERCEPT, finite numbers, the slope not 0"
    )
