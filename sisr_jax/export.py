"""Writes a trained network as a program that needs no part of this package.

    python -m sisr_jax.export runs/ct_srgan srgan.stablehlo
    python -m sisr_jax.export runs/us_srgan srgan.stablehlo --size=256,16
    python -m sisr_jax.export sparse-view-ct cascade.stablehlo --size=256 --views=63

MODEL is a name of `sisr_jax.inference.available()`, or the folder of a run or of a
bundle. OUT, which ends with `.stablehlo`, is one artifact for CPUs, GPUs and TPUs with
the weights in it, for any batch:

    jax.export.deserialize(bytearray(open(OUT, "rb").read())).call(images)

A network that looks at the degraded image alone takes images of `--size=HEIGHT,WIDTH`,
without it of any size that suits it. One that looks at the measurement takes sinograms
of `--views` views, spread evenly over 180 degrees, of slices of `--size` pixels; their
matrices are in the artifact, too (0.3 GB for 63 views of 512 x 512).

Beside OUT stands a JSON file of the same name with names, shapes and units of inputs
and outputs, and the versions. Both are kept only if the artifact, read back, computes
what the network does, to 1e-4 of the range.

What it ends with: 0 done; 2 bad input, or a program that computes something else; 70 a
mistake in this program, with its traceback; 74 the storage failed; 130 Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence

from etils import epath

from sisr_jax.arguments import CommandParser
from sisr_jax.errors import ExitCode, InputError, ending
from sisr_jax.hosts.mesh import check_devices
from sisr_jax.inference import load
from sisr_jax.inference.exporting import (
    ABOUT_KEYS,
    Export,
    export_images,
    export_views,
)
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.files import write_whole
from sisr_jax.storage.folder import check_possible, open_folder
from sisr_jax.storage.json_files import read_object, write_object

_SUFFIX = ".stablehlo"


def main(arguments: Sequence[str]) -> int:
    """Runs the command; see the module's description.

    Args:
        arguments: Of the command line, without the program.

    Returns:
        The exit code.
    """
    return ending("sisr_jax.export", lambda: _run(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("sisr_jax.export", __doc__)
    parser.add_argument("model", metavar="MODEL", help="name or folder of the weights")
    parser.add_argument("output", metavar="OUT", help="new file, local or gs://")
    parser.add_argument(
        "--size",
        type=_sizes,
        metavar="PIXELS",
        help="of images: HEIGHT,WIDTH, or one number for both; default: any",
    )
    parser.add_argument(
        "--views", type=int, metavar="NUMBER", help="of sinograms, over 180 degrees"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an artifact that is there"
    )
    return parser


def _sizes(text: str) -> tuple[int, int]:
    try:
        sizes = [int(part) for part in text.strip("()").split(",")]
        height, width = sizes if len(sizes) > 1 else sizes * 2
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: expected HEIGHT,WIDTH or one number for both"
        ) from None
    return height, width


def _run(options: argparse.Namespace) -> int:
    check_devices()
    output = open_folder(options.output, "OUT")
    if output.suffix != _SUFFIX:
        raise InputError(f"{output}: expected a name that ends with {_SUFFIX}")
    about = output.with_suffix(".json")
    with refusing(f"{output}: looking"):
        there = [path for path in (output, about) if path.exists()]
        for path in there:
            if path.is_dir():
                raise InputError(f"{path}: a folder, expected a file")
    if there and not options.overwrite:
        raise InputError(f"{there[0]}: is there; --overwrite replaces it")
    if about in there:
        _check_replaceable(about)
    check_possible(output.parent, "OUT")
    found = _exported(options)
    write_whole(output, found.content)
    # Last, as it says that the other is complete.
    write_object(about, found.about)
    print(
        f"{output}: {len(found.content) / 1e6:.1f} MB, differs by "
        f"{found.about['largest_difference']:.1e} at most; {about.name} says the rest"
    )
    return ExitCode.DONE


def _check_replaceable(about: epath.Path) -> None:
    """A run's `config.json` would have that name, too."""
    if not ABOUT_KEYS <= read_object(about).keys():
        raise InputError(
            f"{about}: not of an artifact, so that it is not replaced; choose another "
            "name for OUT"
        )


def _exported(options: argparse.Namespace) -> Export:
    restorer = load(options.model)
    if options.views is None:
        return export_images(restorer, size=options.size)
    if options.size is None or options.size[0] != options.size[1]:
        raise InputError(f"--views={options.views}: needs --size=PIXELS, a square")
    return export_views(restorer, size=options.size[0], views=options.views)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
