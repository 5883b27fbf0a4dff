"""Data from the command line: `python -m sisr_jax.data inspect FOLDER`."""

import argparse
import math
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from sisr_jax.arguments import RefusingParser, as_place
from sisr_jax.data.checks import check_findings, sum_up
from sisr_jax.data.contact_sheet import save_contact_sheet
from sisr_jax.data.formats.dicom.opening import keep_headers_private
from sisr_jax.data.inspect import AS_STORED, inspect_folder
from sisr_jax.data.inspect_report import describe
from sisr_jax.errors import ExitCode, InputError, ending
from sisr_jax.storage.failures import refusing


def main(arguments: Sequence[str]) -> int:
    """Runs a subcommand.

    Args:
        arguments: Of the command line, without the program.

    Returns:
        Exit code: 0, or 2 when the input, a part of the folder, its splits or all of
        its files cannot be used, or training would refuse the window; 74 when the
        storage fails; others as those of `sisr_jax.main`.
    """
    return ending("sisr_jax.data", lambda: _run(list(arguments)))


def _run(arguments: list[str]) -> int:
    # What follows is for the other parser, options as well.
    if arguments[:1] == ["prepare"]:
        from sisr_jax.data import prepare  # imports what only it needs

        return prepare.main(arguments[1:])
    return _inspect(_parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = RefusingParser(prog="python -m sisr_jax.data")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = commands.add_parser(
        "inspect", help="show what a folder of images holds and what cannot be used"
    )
    inspect.add_argument("folder", type=as_place, metavar="FOLDER")
    inspect.add_argument(
        "--output", type=as_place, metavar="PNG", help="write a sheet of examples"
    )
    inspect.add_argument(
        "--overwrite", action="store_true", help="replace a sheet that is there"
    )
    inspect.add_argument(
        "--splits_csv",
        type=as_place,
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
    try:
        first, second = map(float, text.strip("()").split(","))
        if math.isfinite(first) and math.isfinite(second):
            return first, second
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected two finite numbers")


def _inspect(options: argparse.Namespace) -> int:
    folder, output, window = options.folder, options.output, options.window
    if output is not None:
        _check_output(output, folder, overwrite=options.overwrite)
    if window is not None and not window[0] < window[1]:
        raise InputError(f"--window={window}: expected LOW,HIGH with LOW below HIGH")
    if not options.png_rescale[0]:
        raise InputError(
            f"--png_rescale={options.png_rescale}: expected a slope, not 0"
        )
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
    _print(text)
    if output is not None and inspection.examples:
        with refusing(f"--output={output}: writing"):
            save_contact_sheet(output, inspection.examples)
        _print(f"\n{len(inspection.examples)} examples: {output}")
    bad = not inspection.files or inspection.unreadable or inspection.leak
    if window is not None and inspection.files:
        first = str(inspection.files[0].path)
        seen = sum_up(file.seen for file in inspection.files)
        check_findings(seen, window, first=first)
    return ExitCode.BAD_INPUT if bad else ExitCode.DONE


def _print(text: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"  # which may not have a letter of a name
    print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)


def _check_output(output: Path, folder: Path, *, overwrite: bool) -> None:
    is_folder = os.path.isdir(output)
    if output.suffix.lower() != ".png" or is_folder or not os.path.isdir(output.parent):
        raise InputError(f"--output={output}: expected a .png in a folder that exists")
    place, root = map(os.path.realpath, (output, folder))
    if Path(place).is_relative_to(root):
        raise InputError(
            f"--output={output}: inside {folder}, where it would count as data"
        )
    if os.path.lexists(output) and not overwrite:
        raise InputError(f"--output={output}: is there; --overwrite replaces it")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
