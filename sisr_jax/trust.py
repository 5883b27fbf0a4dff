"""Measures reconstructions as a physicist measures a scanner: how far to trust them.

    python -m sisr_jax.trust IMAGES --reference=REFERENCE
    python -m sisr_jax.trust --phantom=fbp,tv,sparse-view-ct-any-dose --photons=1e5

IMAGES and REFERENCE are files or folders of CT slices in HU, in any format that this
package reads; a file of a folder has the reference of the same path, whatever the
formats. Where none of both says how large its pixels are, `--pixel_size=0.7` does, in
mm; they have to be square, and the same in all files. Slice by slice, the table has:
the standard deviation and mean frequency of the difference in uniform soft tissue
(noise power spectrum); where the transfer `|<R conj(X)>| / <|X|^2>` of the images
against their references falls to a half; the bias in uniform lung, soft tissue and
bone. Standard errors are between slices, which of one patient are alike. What counts as
uniform: `sisr_jax/evaluation/patient_quality.py`.

With `--phantom` the methods reconstruct noisy scans of a phantom with discs: noise and
its mean frequency, f50 of the task transfer function of an edge of 400 HU, bias, and
the detectability d' of discs of low contrast for a channelised Hotelling observer.
Methods are `fbp`, `tv` (total variation) and the names of shipped weights.

`--output=FOLDER` gets the numbers (trust.csv), settings, numbers and curves
(trust.json) and a picture of the curves (trust.png). Not a medical device.

What it ends with: 0 all was measured; 2 bad input, before anything was written; 70 a
mistake in this program, with its traceback; 74 the storage failed; 130 Ctrl-C.
"""

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from sisr_jax.arguments import CommandParser, as_place, as_rescale
from sisr_jax.data.formats.dicom.opening import keep_headers_private
from sisr_jax.data.pairs import list_pairs
from sisr_jax.errors import ExitCode, InputError, ending
from sisr_jax.evaluation.patient_files import measure_files, pixel_of
from sisr_jax.evaluation.phantom_methods import low_dose_weight, method_names
from sisr_jax.evaluation.phantom_quality import Scan, compare
from sisr_jax.evaluation.quality_files import check_files, write_files
from sisr_jax.evaluation.quality_report import Quality, as_text
from sisr_jax.run.progress import counted
from sisr_jax.storage.failures import refusing

# What flags are that are not given; those of the other kind of use are refused. Scans
# are as on the cards of the weights, but smaller.
_PATIENTS: Mapping[str, Any] = {
    "window": (-1000.0, 1000.0),
    "png_rescale": (1.0, -32768.0),
}
_PHANTOM: Mapping[str, Any] = {
    "pixel_size": 0.7,
    "views": 63,
    "photons": 1e5,
    "size": 256,
    "samples": 40,
    "contrast": 30.0,
    "tv_weight": None,
    "seed": 0,
}
# Least value of each, and whether that itself is allowed.
_LEAST = {
    "pixel_size": (1e-6, True),  # a nanometre; frequencies per mm overflow far below
    "views": (1, True),
    "photons": (1, True),
    "size": (64, True),
    "samples": (6, True),
    "contrast": (-1000, False),
    "tv_weight": (0, True),
    "seed": (0, True),
}
# Greatest value: of any scanner; of the window; of what a key of JAX is made of; what
# a configuration may have, or more than anybody waits for.
_MOST = {
    "pixel_size": 100.0,
    "contrast": 1000.0,
    "seed": 2**32 - 1,
    "views": 2**16,
    "size": 4096,
    "samples": 10_000,
}
# Numbers in all sinograms, with and without discs: 8 GB.
_MOST_MEASURED = 2**31
_MULTIPLE, _SMALLEST = 16, 64


def main(arguments: Sequence[str]) -> int:
    """Runs the command; see the module's description.

    Args:
        arguments: Of the command line, without the program.

    Returns:
        The exit code.
    """
    keep_headers_private()
    return ending("sisr_jax.trust", lambda: _run(_parser().parse_args(arguments)))


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("sisr_jax.trust", __doc__)
    add = parser.add_argument
    add("images", type=as_place, nargs="?", metavar="IMAGES")
    add("--reference", type=as_place, metavar="REFERENCE", help="what IMAGES should be")
    add(
        "--pixel_size",
        type=float,
        metavar="MM",
        help="width of a pixel; default: as DICOM and NIfTI say",
    )
    add(
        "--window",
        type=_pair,
        metavar="LO,HI",
        help="HU outside are set to its ends first; default -1000,1000",
    )
    add(
        "--png_rescale",
        type=as_rescale,
        metavar="SLOPE,INTERCEPT",
        help="from stored PNG and unsigned TIFF values to HU; default 1,-32768",
    )
    add(
        "--phantom",
        metavar="METHOD,...",
        help=f"some of {', '.join(method_names())}; the flags below are for it",
    )
    add("--views", type=int, help="over 180 degrees; default 63")
    add("--photons", type=float, help="along every ray; default 1e5")
    add("--size", type=int, help="of images in pixels; default 256, of 0.7 mm each")
    add("--samples", type=int, help="noisy scans of each phantom; default 40")
    add("--contrast", type=float, help="of the small discs in HU; default 30")
    add(
        "--tv_weight",
        type=float,
        help="default: 0.005 (1e5 / photons)^0.95, good for 63 views of patients",
    )
    add("--seed", type=int, help="of the noise; default 0")
    add("--output", type=as_place, metavar="FOLDER", help="for files of the results")
    add("--overwrite", action="store_true", help="replace results that are there")
    return parser


def _pair(text: str) -> tuple[float, float]:
    try:
        first, second = map(float, text.strip("()").split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected two numbers") from None
    return first, second


def _run(options: argparse.Namespace) -> int:
    if options.output is not None:
        with refusing(f"--output={options.output}: looking"):
            inputs = [each for each in (options.images, options.reference) if each]
            check_files(options.output, inputs, overwrite=options.overwrite)
    if options.phantom is None:
        _complete(options, _PATIENTS, _PHANTOM.keys() - {"pixel_size"})
        qualities = _patients(options)
    else:
        _complete(options, _PHANTOM, {"images", "reference", *_PATIENTS})
        qualities = _phantom(options)
    if options.output is not None:
        settings = {
            name: value if isinstance(value, int | float | tuple) else str(value)
            for name, value in vars(options).items()
            if value is not None and name not in ("output", "overwrite")
        }
        write_files(options.output, qualities, settings)
    print(as_text(qualities))  # last: nobody may read it
    return ExitCode.DONE


def _complete(
    options: argparse.Namespace, defaults: Mapping[str, Any], others: set[str]
) -> None:
    """Sets what is not given; refuses what is for the other kind of use."""
    for name in sorted(others):
        if (value := getattr(options, name)) is not None:
            flag = name.upper() if name == "images" else f"--{name}"
            but = "without" if options.phantom is not None else "with"
            raise InputError(f"{flag}={value}: only {but} --phantom")
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    for name, (least, itself) in _LEAST.items():
        value = getattr(options, name)
        good = value is None or least < value < math.inf or (itself and value == least)
        if not good:
            bound = "at least" if itself else "above"
            raise InputError(f"--{name}={value}: expected {bound} {least}")
        if value is not None and value > (most := _MOST.get(name, math.inf)):
            raise InputError(f"--{name}={value}: expected at most {most:.12g}")


def _patients(options: argparse.Namespace) -> dict[str, Quality]:
    """Measures files against their references."""
    for name in ("images", "reference"):
        if getattr(options, name) is None:
            flag = name.upper() if name == "images" else f"--{name}"
            raise InputError(f"{flag} is missing: without --phantom it is needed")
    low, high = options.window
    if not -math.inf < low < high < math.inf:
        raise InputError(f"--window={low:g},{high:g}: expected LO below HI")
    with refusing(f"{options.images} and {options.reference}: reading"):
        pairs = list_pairs(options.images, options.reference, smallest=_SMALLEST)
    options.pixel_size = pixel_of(pairs, stated=options.pixel_size)
    found = measure_files(
        pairs,
        pixel_mm=options.pixel_size,
        window=options.window,
        rescale=options.png_rescale,
        progress=counted,
    )
    if all(math.isnan(n.value) for each in found.values() for n in each.numbers):
        raise InputError(
            f"{options.reference}: nothing of {len(pairs)} slices could be measured: "
            "expected HU with lung, soft tissue or bone; values in other units?"
        )
    return found


def _phantom(options: argparse.Namespace) -> dict[str, Quality]:
    """Lets methods reconstruct the phantom."""
    scan = Scan(
        size=options.size,
        pixel_mm=options.pixel_size,
        views=options.views,
        photons=options.photons,
        samples=options.samples,
        contrast=options.contrast,
        seed=options.seed,
    )
    if scan.size % _MULTIPLE:
        raise InputError(f"--size={scan.size}: expected a multiple of {_MULTIPLE}")
    measured = 2 * scan.samples * scan.views * 2 * scan.size
    if measured > _MOST_MEASURED:
        raise InputError(
            f"--samples={scan.samples} of --views={scan.views} and --size={scan.size}: "
            f"up to {measured:.2g} measured numbers, expected {_MOST_MEASURED:.2g}"
        )
    if options.tv_weight is None:
        options.tv_weight = low_dose_weight(options.photons)
    names = options.phantom.split(",")
    if len(set(names)) < len(names):
        raise InputError(f"--phantom={options.phantom}: expected each method once")
    return compare(scan, names, tv_weight=options.tv_weight, progress=counted)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
