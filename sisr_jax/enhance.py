"""Restores the images of a file or of a folder, in the format that they have.

    python -m sisr_jax.enhance SERIES OUT --simulate=16
    python -m sisr_jax.enhance views.npz slice.tif
    python -m sisr_jax.enhance fbp.dcm slice.dcm --views=1000/16
    python -m sisr_jax.enhance frames OUT --model=runs/us_srgan

INPUT is a PNG, TIFF, npy, npz, NIfTI or DICOM file of complete images, or a folder of
them: with `--simulate=K` each is measured by every K-th view (of 1000 for the weights
in the box) or column, restored from these, and scored. Or it is an npz file of what was
measured: `sinogram` [angles, detectors] or [slices, angles, detectors], `angles` in
radians, `size` in pixels, and `pixel_mm` if the sinogram holds attenuation line
integrals. Where only the image is left that was back-projected (ramp filter) from few
views, `--views=N`, spread evenly over 180 degrees, or `--views=N/K`, every K-th of N,
says from which: they are computed of it first. A network that looks at the degraded
image alone takes degraded images as they are: such reconstructions, or the columns that
are left.

A DICOM slice becomes one of a derived series, with patient, position and scale of its
source; a NIfTI volume keeps its affine. With `--report` there is a page about the
middle image of each file, FILE.report.png: what it was made of, how much of it the
measurement does not determine, its interval, and what it leaves unexplained of the
measurement. `OUT/enhance.csv` has the numbers of each
image. The same command goes on with what is missing, and restores again what comes of a
file that has changed. Not a medical device.

What it ends with: 0 all images were restored; 1 some were not, each named in a line; 2
bad input, before anything was written; 70 a mistake in this program, with its
traceback; 74 the storage failed; 130 Ctrl-C. The same command goes on after the last
two.
"""

import argparse
import csv
import hashlib
import io
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from etils import epath

import sisr_jax
from sisr_jax.arguments import CommandParser, as_place, as_rescale
from sisr_jax.config import Config
from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.data.files import list_files
from sisr_jax.data.formats.dicom.opening import keep_headers_private
from sisr_jax.data.formats.headers import Derivation, Header
from sisr_jax.data.formats.readers import (
    check_file,
    find_reader,
    read_images,
    suffix_of,
)
from sisr_jax.data.formats.sinogram import is_sinogram, read_sinogram
from sisr_jax.data.formats.writers import (
    PLAIN,
    WRITTEN,
    Source,
    check_writable,
    write_images,
)
from sisr_jax.errors import (
    ExitCode,
    InputError,
    ending,
    one_line,
)
from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.restoration import draw_restoration
from sisr_jax.hosts.lock import Lock
from sisr_jax.inference import Restorer, available, load
from sisr_jax.inference.slices import (
    Outcome,
    check_simulation,
    check_sinogram,
    check_views,
    restore_back_projections,
    restore_images,
    restore_sinogram,
    simulate,
)
from sisr_jax.run.progress import counted
from sisr_jax.storage.failures import refusing, reporting
from sisr_jax.storage.files import check_file as check_plain
from sisr_jax.storage.files import write_whole
from sisr_jax.storage.folder import check_writable as check_folder
from sisr_jax.storage.json_files import read_object

_SOME_FAILED = 1
# Images of a file are restored in memory: 4096 slices of 512 x 512.
_MAX_PIXELS = 2**30
# Of the 255 bytes that a name may have, what a file needs that is not yet complete.
_LONGEST_NAME = 230
# Times the mean residual of the scores.
_UNUSUAL = 20.0
_SETTINGS, _NUMBERS = "enhance.json", "enhance.csv"
_SCORES: Sequence[str] = "residual psnr ssim psnr_fbp ssim_fbp".split()
_FIELDS = ("file", "image", *_SCORES, "source")


class _Job(NamedTuple):
    """A file to be restored, and the one to be written."""

    source: Source
    target: Path
    restore: Callable[[], Outcome]


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
        if min(found) >= 1:
            return found
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r}: expected N or N/K, both at least 1")


def _check_measuring(options: argparse.Namespace, restorer: Restorer) -> None:
    """Refuses views that the weights are not for, before anything is read."""
    if options.simulate is not None and options.views is not None:
        raise InputError("--simulate and --views: expected one of them")
    if options.simulate is not None:
        try:
            check_simulation(restorer, options.simulate)
        except InputError as error:
            raise InputError(f"--simulate={options.simulate}: {error}") from error
    if options.views is not None:
        check_sinogram(restorer)
        num_angles, factor = options.views
        check_views(restorer, -(-num_angles // factor))


def _run(options: argparse.Namespace) -> int:
    restorer = load(options.model)
    if options.png_rescale is None:
        options.png_rescale = _config(restorer).data.png_rescale
    _check_measuring(options, restorer)
    with refusing(f"{options.input}: reading"):
        files, problems = _files_of(options.input)
    with refusing(f"{options.output}: writing"):
        _check_places(options)
    jobs = []
    for path in files:
        try:
            jobs.append(_job(path, options, restorer))
        except InputError as error:
            problems.append(str(error))
    if not jobs:
        raise InputError(problems[0] if problems else f"{options.input}: no image")
    places = Counter(place for job in jobs for place in _places(job.target, options))
    for place, count in places.items():
        if count > 1:
            raise InputError(f"{place}: {count} files would be written there")
    if not options.input.is_dir():
        return _restore(options, restorer, jobs, [], problems)
    with refusing(f"{options.output}: writing"):
        check_folder(epath.Path(options.output), "OUT")
    with Lock(epath.Path(options.output), "OUT"):
        rows = _begin(options, _identity(restorer), jobs)
        return _restore(options, restorer, jobs, rows, problems)


def _restore(
    options: argparse.Namespace,
    restorer: Restorer,
    jobs: Sequence[_Job],
    rows: list[dict[str, str]],
    problems: list[str],
) -> int:
    """Restores what the rows of a folder do not say to be done."""
    is_folder, about = options.input.is_dir(), _derivation(options, restorer)
    done, remarks = {row["file"] for row in rows}, []
    scores = restorer.card.get("scores", ())
    usual = max((each.get("residual", math.inf) for each in scores), default=math.inf)
    for job in counted([job for job in jobs if _name(job, options) not in done]):
        name = _name(job, options)
        try:
            digest = _digest(job.source.path) if is_folder else ""
            outcome = job.restore()
            found = _rows(name, digest, outcome)
            if is_folder:
                # The numbers first: an image without them is another's.
                with reporting(f"{job.target}: writing"):
                    job.target.parent.mkdir(parents=True, exist_ok=True)
                    job.target.unlink(missing_ok=True)
                write_whole(
                    epath.Path(options.output / _NUMBERS), _table([*rows, *found])
                )
            if options.report:
                _draw(job, outcome, restorer, about)
            write_images(job.target, outcome.images, job.source, about)
        except InputError as error:
            problems.append(_naming(job.source.path, error))
            continue
        rows += found
        worst = max(numbers.get("residual", 0.0) for numbers in outcome.numbers)
        if worst > _UNUSUAL * usual:
            remarks.append(
                f"{name}: {100 * worst:.2g} % of the measurement unexplained, over "
                f"{_UNUSUAL:g} times the usual: not what the weights were trained for?"
            )
    for line in (*problems, *(f"warning: {remark}" for remark in remarks)):
        print(f"sisr_jax.enhance: {line}", file=sys.stderr)
    print(_summary(rows, len(problems)))
    return _SOME_FAILED if problems else ExitCode.DONE


def _files_of(path: Path) -> tuple[list[Path], list[str]]:
    """Image files, and a line for each that cannot be used."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if not path.is_dir():
        check_plain(path)
        return [path], []
    listing = list_files(path)
    files, problems = [], [*listing.unreadable, *listing.problems.values()]
    for file in listing.files:
        try:
            files += [file] if find_reader(file) else []
        except InputError as error:
            problems.append(str(error))
    return files, problems


def _real(path: Path) -> Path:
    """Without links."""
    return Path(os.path.realpath(path))


def _check_places(options: argparse.Namespace) -> None:
    source, target = _real(options.input), _real(options.output)
    if options.format is not None and options.format.lower() not in WRITTEN:
        raise InputError(
            f"--format={options.format}: expected one of {', '.join(WRITTEN)}"
        )
    if options.input.is_dir():
        if target.is_relative_to(source) or source.is_relative_to(target):
            raise InputError(
                f"{options.output}: inside of {options.input}, or around it: expected "
                "another folder"
            )
        if os.path.lexists(options.output) and not target.is_dir():
            raise InputError(
                f"{options.output}: a file or broken link, expected a folder"
            )
    else:
        if options.format:
            raise InputError(f"--format={options.format}: needs a folder as INPUT")
        if not options.output.parent.is_dir():
            raise InputError(f"{options.output.parent}: no such folder")
        for place in _places(options.output, options):
            if place.is_dir():
                raise InputError(f"{place}: a folder, expected a file")
            if place.exists() and (_real(place) == source or not options.overwrite):
                raise InputError(f"{place}: is there; --overwrite replaces it")


def _job(path: Path, options: argparse.Namespace, restorer: Restorer) -> _Job:
    target = options.output
    if options.input.is_dir():
        target = target / path.relative_to(options.input)
        if options.format:
            target = target.with_name(
                target.name.removesuffix(suffix_of(path)) + options.format
            )
    for place in _places(target, options):
        if (length := len(os.fsencode(place.name))) > _LONGEST_NAME:
            raise InputError(
                f"{place}: a name of {length} bytes, expected at most {_LONGEST_NAME}"
            )
    if is_sinogram(path):
        try:
            check_sinogram(restorer)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        measured = read_sinogram(path)
        size, count = measured.beam.size, len(measured.values)
        header = Header("sinogram", (size, size), "float32", count=count)
        source = Source(path, header, options.png_rescale)
        check_writable(target, source)
        del measured  # of many files it would not fit into memory
        return _Job(
            source, target, lambda: restore_sinogram(restorer, read_sinogram(path))
        )
    config = _config(restorer)
    is_measured = options.simulate is not None or options.views is not None
    if not is_measured and options.report:
        raise InputError(
            f"{path}: --report is about a measurement, expected --simulate=K, "
            "--views=N or an npz file with a sinogram"
        )
    if not is_measured and "measurement" in config.generator.sees:
        raise InputError(
            f"{path}: an image, and these weights restore what was measured: give "
            "--simulate=K to measure it, --views=N if it is a back-projection, or an "
            "npz file with a sinogram"
        )
    header = check_file(path)
    if header.left_out:
        raise InputError(f"{path}: {header.left_out}, expected a slice")
    pixels = header.count * header.shape[0] * header.shape[1]
    if pixels > _MAX_PIXELS:
        raise InputError(f"{path}: {pixels} pixels, expected at most {_MAX_PIXELS}")
    source = Source(path, header, options.png_rescale)
    check_writable(target, source)
    is_wider = not is_measured and config.degradation.width_factor > 1
    kind = suffix_of(target)
    if is_wider and kind not in PLAIN:
        raise InputError(
            f"{target}: more columns than in {path}: expected a name that ends with "
            f"{', '.join(PLAIN)}"
        )

    def restore() -> Outcome:
        found = read_images(path, range(header.count), options.png_rescale)
        images = np.stack(list(found))
        if options.views is not None:
            num_angles, factor = options.views
            return restore_back_projections(
                restorer, images, num_angles=num_angles, factor=factor
            )
        if options.simulate is None:
            return restore_images(restorer, images)
        return simulate(restorer, images, factor=options.simulate)

    return _Job(source, target, restore)


def _places(target: Path, options: argparse.Namespace) -> list[Path]:
    """All that is written for a file."""
    return [target, *([_report_of(target)] if options.report else [])]


def _report_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.report.png")


def _draw(job: _Job, outcome: Outcome, restorer: Restorer, about: Derivation) -> None:
    """Draws the page about the middle image."""
    assert outcome.middle is not None, "it was measured"
    index = len(outcome.numbers) // 2
    numbers = outcome.numbers[index].items()
    shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers)
    with reporting(f"{job.target}: drawing its report"):
        draw_restoration(
            _report_of(job.target),
            outcome.middle(),
            display=display_of(protocol_of(_config(restorer))),
            title=f"{job.target.name}, image {index}: {shown}. {about.text}",
        )


def _config(restorer: Restorer) -> Config:
    assert restorer.config is not None, "it was loaded"
    return restorer.config


def _identity(restorer: Restorer) -> str:
    """Which weights these are: others may have come to the same place since.

    Another run in the folder of the first one ends at the same step.
    """
    if known := restorer.card.get("sha256"):
        return known
    digest = hashlib.sha256(repr(restorer.config).encode())
    for leaf in jax.tree.leaves(jax.device_get(restorer.variables)):
        digest.update(leaf.tobytes())
    return f"step {restorer.card['step']}, {digest.hexdigest()}"


def _derivation(options: argparse.Namespace, restorer: Restorer) -> Derivation:
    # As DICOM takes it, whatever the folder is called.
    name = one_line(restorer.card["name"]).encode("ascii", "replace").decode()
    text = f"Restored by sisr_jax {sisr_jax.__version__} with the weights {name}"
    method = f"sisr_jax {name}"
    if options.simulate is not None:
        measures = _config(restorer).degradation.measures
        text += f" from a simulation: every {options.simulate}th of all {measures}"
        method += f" x{options.simulate}"
    return Derivation(
        method, f"{text}. Research only.", sisr_jax.__version__, options.anonymise
    )


def _begin(
    options: argparse.Namespace, weights: str, jobs: Sequence[_Job]
) -> list[dict[str, str]]:
    """What is done already; refuses a folder of something else."""
    settings = {
        "model": options.model,
        "weights": weights,
        "version": sisr_jax.__version__,
        "input": str(options.input.resolve()),
        "simulate": options.simulate,
        "views": None if options.views is None else list(options.views),
        "png_rescale": list(options.png_rescale),
        "format": options.format,
        "anonymise": options.anonymise,
        "report": options.report,
    }
    folder = epath.Path(options.output)
    path, numbers = folder / _SETTINGS, folder / _NUMBERS
    rows = []
    if path.exists() and numbers.exists() and not options.overwrite:
        if read_object(path) != settings:
            raise InputError(
                f"{path}: OUT was made by another command; --overwrite replaces it"
            )
        rows = _read_table(Path(numbers))
    digests = {row["file"]: row["source"] for row in rows}
    done, sources = set(), {_real(job.source.path) for job in jobs}
    for job in jobs:
        name, is_there = _name(job, options), os.path.lexists(job.target)
        for place in _places(job.target, options):
            # By way of a link to a folder; one to a file would be replaced itself.
            if _real(place.parent) / place.name in sources:
                raise InputError(f"{place}: a file of INPUT, expected another place")
            if os.path.lexists(place) and (
                place.is_dir() or not (options.overwrite or name in digests)
            ):
                raise InputError(
                    f"{place}: is there, and not by this command; --overwrite replaces "
                    "files"
                )
        if is_there and name in digests:
            if digests[name] == _digest(job.source.path):
                done.add(name)
            else:
                print(
                    f"sisr_jax.enhance: {job.source.path}: has changed since it was "
                    "restored, and is restored again",
                    file=sys.stderr,
                )
    rows = [row for row in rows if row["file"] in done]
    write_whole(path, json.dumps(settings, indent=1))
    write_whole(numbers, _table(rows))
    return rows


def _read_table(path: Path) -> list[dict[str, str]]:
    rows = []
    for line, row in read_csv_rows(path, columns=_FIELDS):
        for field in _SCORES:
            try:
                float(row[field] or 0)
            except ValueError as error:
                raise InputError(
                    f"{path}, line {line}: {field} = {one_line(row[field])}: expected "
                    "a number; --overwrite replaces the table"
                ) from error
        rows.append(row)
    return rows


def _digest(path: Path) -> str:
    """Of the content of a file, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be opened ({error.strerror})") from error


def _rows(name: str, digest: str, outcome: Outcome) -> list[dict[str, str]]:
    """A row for each image; an image of air has no finite scores, and so none."""
    return [
        {"file": name, "image": str(index), "source": digest}
        | {
            key: f"{value:.6g}"
            for key, value in numbers.items()
            if math.isfinite(value)
        }
        for index, numbers in enumerate(outcome.numbers)
    ]


def _name(job: _Job, options: argparse.Namespace) -> str:
    if options.input.is_dir():
        return str(job.target.relative_to(options.output))
    return job.target.name


def _naming(path: Path, error: InputError) -> str:
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"


def _table(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer: csv.DictWriter[str] = csv.DictWriter(
        text, _FIELDS, restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _summary(rows: list[dict[str, str]], num_problems: int) -> str:
    files = len({row["file"] for row in rows})
    text = f"{len(rows)} images of {files} files restored"
    if num_problems:
        text += f", {num_problems} files not"
    for key, words in (
        ("psnr", "{:.2f} dB on the mean"),
        ("psnr_fbp", "{:.2f} dB back-projected"),
        ("residual", "{:.1e} of the measurement unexplained"),
    ):
        values = [float(row[key]) for row in rows if row.get(key)]
        if values:
            text += ", " + words.format(np.mean(values))
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
