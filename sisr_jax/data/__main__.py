"""Data from the command line: `python -m sisr_jax.data inspect FOLDER`."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from sisr_jax.data.contact_sheet import save_contact_sheet
from sisr_jax.data.formats.dicom.opening import keep_headers_private
from sisr_jax.data.inspect import describe, inspect_folder
from sisr_jax.errors import InputError

_UNUSABLE_EXIT_CODE = 2


def main(arguments: Sequence[str]) -> int:
    """Runs a subcommand.

    Args:
        arguments: Of the command line, without the program.

    Returns:
        Exit code: 0, or 2 when the input or the whole folder cannot be used.
    """
    try:
        # What follows is for the other parser, options as well.
        if list(arguments[:1]) == ["prepare"]:
            from sisr_jax.data import prepare  # imports what only it needs

            return prepare.main(list(arguments[1:]))
        options = _parser().parse_args(arguments)
        return _inspect(options.folder, options.splits_csv, options.output)
    except InputError as error:
        print(f"sisr_jax.data: error: {error}", file=sys.stderr)
        return _UNUSABLE_EXIT_CODE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sisr_jax.data")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = commands.add_parser(
        "inspect", help="show what a folder of images holds and what cannot be used"
    )
    inspect.add_argument("folder", type=Path, metavar="FOLDER")
    inspect.add_argument(
        "--output", type=Path, metavar="PNG", help="write a sheet of examples"
    )
    inspect.add_argument(
        "--splits_csv",
        type=Path,
        metavar="CSV",
        help="columns file and split, and patient if there is one",
    )
    commands.add_parser("prepare", help="prepare a dataset", add_help=False)
    return parser


def _inspect(folder: Path, splits_csv: Path | None, output: Path | None) -> int:
    if output is not None:
        _check_output(output, folder)
    keep_headers_private()
    # What other decoders warn of repeats the lines below.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inspection = inspect_folder(folder, splits_csv=splits_csv)
    print(describe(inspection))
    if output is not None and inspection.examples:
        save_contact_sheet(output, inspection.examples)
        print(f"\n{len(inspection.examples)} examples: {output}")
    return 0 if inspection.files else _UNUSABLE_EXIT_CODE


def _check_output(output: Path, folder: Path) -> None:
    if output.suffix.lower() != ".png" or not output.parent.is_dir():
        raise InputError(f"--output={output}: expected a .png in a folder that exists")
    if output.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"--output={output}: inside {folder}, where it would count as data"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
