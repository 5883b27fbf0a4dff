"""Restores the images of a file or of a folder, in the format that they have.

    python -m sisr_jax.enhance SERIES OUT --simulate=16
    python -m sisr_jax.enhance views.npz slice.tif
    python -m sisr_jax.enhance fbp.dcm slice.dcm --views=1000/16
    python -m sisr_jax.enhance kept.png OUT.png --columns=9 --model=scan-line-ultrasound
    python -m sisr_jax.enhance frames OUT --model=runs/us_srgan

INPUT is a PNG, TIFF, npy, npz, NIfTI or DICOM file of complete images, or a folder of
them: with `--simulate=K` each is measured by every K-th view (of 1000 for the weights
in the box) or column, restored from these, and scored. Or it is an npz file of what was
measured: `sinogram` [angles, detectors] or [slices, angles, detectors], `angles` in
radians, `size` in pixels, and `pixel_mm` if the sinogram holds attenuation line
integrals. Where only the image is left that was back-projected (ramp filter) from few
views, `--views=N`, spread evenly over 180 degrees, or `--views=N/K`, every K-th of N,
says from which: they are computed of it first. `--columns=K` says that images hold
every K-th column of a frame, `--columns=K/FIRST` from which on. A network that looks at
the degraded image alone takes degraded images as they are: such reconstructions, or the
columns that are left.

A DICOM slice becomes one of a derived series, with patient, position and scale of its
source; a NIfTI volume keeps its affine. With `--report` there is a page about the
middle image of each file, FILE.report.png: what it was made of, how much of it the
measurement does not determine, its interval, and what it leaves unexplained of the
measurement. `OUT/enhance.csv` has the numbers of each image. The same command goes on
with what is missing, and restores again what comes of a file that has changed. Images
in other units than those of the training and numbers of views that weights were not
trained for are refused; of pixels of another size, or that are not square, of views
that are not spread over 180 degrees, and of a measurement that the result does not
explain, a warning tells. Not a medical device.

What it ends with: 0 all images were restored; 1 some were not, each named in a line; 2
bad input, before anything was written; 70 a mistake in this program, with its
traceback; 74 the storage failed; 130 Ctrl-C. The same command goes on after the last
two.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence

from etils import epath

from sisr_jax.arguments import CommandParser, as_place, as_rescale
from sisr_jax.data.formats.dicom.opening import keep_headers_private
from sisr_jax.enhancement.jobs import job_of
from sisr_jax.enhancement.places import check_places, files_of, places_of
from sisr_jax.enhancement.progress_table import begin
from sisr_jax.enhancement.request import Request
from sisr_jax.enhancement.restoring import restore
from sisr_jax.errors import InputError, ending
from sisr_jax.hosts.lock import Lock
from sisr_jax.inference import Restorer, available, load
from sisr_jax.inference.trained_for import (
    check_columns,
    check_simulation,
    check_sinogram,
    check_views,
    config_of,
)
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.folder import check_writable

# Of a scan, as of a configuration: each has an angle in memory.
_MOST_VIEWS = 2**16


def main(arguments: Sequence[str]) -> int:
    """Runs the command; see the module's description.

    Args:
        arguments: Of the command line, without the program.

    Returns:
        The exit code.
    """
    keep_headers_private()
    return ending(
        "sisr_jax.enhance",
        lambda: _run(_parser().parse_args(arguments)),
        interrupted="interrupted; the same command goes on from here",
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("sisr_jax.enhance", __doc__)
    parser.add_argument("input", type=as_place, metavar="INPUT")
    parser.add_argument("output", type=as_place, metavar="OUT")
    parser.add_argument(
        "--model",
        default="sparse-view-ct",
        metavar="NAME_OR_FOLDER",
        help=f"one of {', '.join(available())}, or the folder of a run or of a bundle",
    )
    parser.add_argument(
        "--simulate",
        type=int,
        metavar="K",
        help="measure complete images by every K-th view or column",
    )
    parser.add_argument(
        "--views",
        type=_views,
        metavar="N[/K]",
        help="images are back-projections from every K-th of N views",
    )
    parser.add_argument(
        "--columns",
        type=_columns,
        metavar="K[/FIRST]",
        help="images are every K-th column of frames, from column FIRST (0) on",
    )
    parser.add_argument(
        "--png_rescale",
        type=as_rescale,
        metavar="SLOPE,INTERCEPT",
        help="from stored PNG and unsigned TIFF values to physical ones; default: as "
        "the model was trained, 1,-32768 (to HU) for the weights in the box",
    )
    parser.add_argument(
        "--format", metavar="EXT", help="of a folder's files, for instance .tif"
    )
    parser.add_argument(
        "--anonymise",
        action="store_true",
        help="leave out of DICOM what identifies a person",
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="draw a page about the middle image of each file",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace files that are there"
    )
    return parser


def _views(text: str) -> tuple[int, int]:
    whole, _, factor = text.partition("/")
    try:
        found = int(whole), int(factor or 1)
        if min(found) >= 1 and found[0] <= _MOST_VIEWS:
            return found
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r}: expected N or N/K, N from 1 to {_MOST_VIEWS}, K at least 1"
    )


def _columns(text: str) -> tuple[int, int]:
    factor, _, offset = text.partition("/")
    try:
        found = int(factor), int(offset or 0)
        if 0 <= found[1] < found[0]:
            return found
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected K or K/FIRST, 0 <= FIRST < K")


def _check_measuring(request: Request, restorer: Restorer) -> None:
    """Refuses views that the weights are not for, before anything is read."""
    given = request.simulate, request.views, request.columns
    if sum(each is not None for each in given) > 1:
        raise InputError("--simulate, --views and --columns: expected one of them")
    if request.simulate is not None:
        try:
            check_simulation(restorer, request.simulate)
        except InputError as error:
            raise InputError(f"--simulate={request.simulate}: {error}") from error
    if request.views is not None:
        check_sinogram(restorer)
        num_angles, factor = request.views
        check_views(restorer, -(-num_angles // factor))
    if request.columns is not None:
        check_columns(restorer, request.columns[0])


def _run(options: argparse.Namespace) -> int:
    restorer = load(options.model)
    if options.png_rescale is None:
        options.png_rescale = config_of(restorer).data.png_rescale
    request = Request(**vars(options))
    _check_measuring(request, restorer)
    with refusing(f"{request.input}: reading"):
        files, problems = files_of(request.input)
    with refusing(f"{request.output}: writing"):
        check_places(request)
    jobs = []
    for path in files:
        try:
            jobs.append(job_of(path, request, restorer))
        except InputError as error:
            problems.append(str(error))
    if not jobs:
        raise InputError(problems[0] if problems else f"{request.input}: no image")
    places = Counter(place for job in jobs for place in places_of(job.target, request))
    for place, count in places.items():
        if count > 1:
            raise InputError(f"{place}: {count} files would be written there")
    if not request.is_folder:
        return restore(request, restorer, jobs, [], problems)
    with refusing(f"{request.output}: writing"):
        check_writable(epath.Path(request.output), "OUT")
    with Lock(epath.Path(request.output), "OUT"):
        rows = begin(request, restorer, jobs)
        return restore(request, restorer, jobs, rows, problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
