"""Data from the command line: `python -m sisr_jax.data inspect FOLDER`."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from sisr_jax.data.contact_sheet import save_contact_sheet
from sisr_jax.data.formats.dicom.opening import keep_headers_private
from sisr_jax.data.inspect import AS_STORED, inspect_folder
from sisr_jax.data.inspect_report import describe
from sisr_jax.errors import InputError

_UNUSABLE_EXIT_CODE = 2


def main(arguments: Sequence[str]) -> int:
    """Runs a subcommand.

    Args:
        arguments: Of the command line, without the program.

    Returns:
        Exit code: 0, or 2 when the input, a part of the folder, its splits or all of
        its files cannot be used.
    """
    try:
        # What follows is for the other parser, options as well.
        if list(arguments[:1]) == ["prepare"]:
            from sisr_jax.data import prepare  # imports what only it needs

            return prepare.main(list(arguments[1:]))
        options = _parser().parse_args(arguments)
        return _inspect(options)
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
    inspect.add_argument(
        "--window",
        type=_pair,
        metavar="LOW,HIGH",
        help="config.data.window: count images without content, and what it clips",
    )
    inspect.add_argument(
        "--png_rescale",
        type=_pair,
        default=AS_STORED,
        metavar="SLOPE,INTERCEPT",
        help="config.data.png_rescale",
    )
    commands.add_parser("prepare", help="prepare a dataset", add_help=False)
    return parser


def _pair(text: str) -> tuple[float, float]:
    first, second = map(float, text.strip("()").split(","))
    return first, second


def _inspect(options: argparse.Namespace) -> int:
    folder, output, window = options.folder, options.output, options.window
    if output is not None:
        _check_output(output, folder)
    if window is not None and not window[0] < window[1]:
        raise InputError(f"--window={window}: expected LOW,HIGH with LOW below HIGH")
    keep_headers_private()
    # What other decoders warn of repeats the lines below.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        inspection = inspect_folder(
            folder,
            splits_csv=options.splits_csv,
            window=window,
            png_rescale=options.png_rescale,
        )
    text = describe(
        inspection, root=folder, window=window, png_rescale=options.png_rescale
    )
    if output is not None and inspection.examples:
        save_contact_sheet(output, inspection.examples)
        text += f"\n\n{len(inspection.examples)} examples: {output}"
    encoding = sys.stdout.encoding or "utf-8"  # which may not have a letter of a name
    print(text.encode(encoding, "backslashreplace").decode(encoding))
    bad = not inspection.files or inspection.unreadable or inspection.leak
    return _UNUSABLE_EXIT_CODE if bad else 0


def _check_output(output: Path, folder: Path) -> None:
    if output.suffix.lower() != ".png" or not output.parent.is_dir():
        raise InputError(f"--output={output}: expected a .png in a folder that exists")
    if output.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"--output={output}: inside {folder}, where it would count as data"
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
