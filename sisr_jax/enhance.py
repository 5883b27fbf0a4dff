"""Restores the images of a file or of a folder, in the format that they have.

    python -m sisr_jax.enhance SERIES OUT --simulate=16
    python -m sisr_jax.enhance views.npz slice.tif
    python -m sisr_jax.enhance frames OUT --model=runs/us_srgan

INPUT is a PNG, TIFF, npy, npz, NIfTI or DICOM file of complete images, or a folder of
them: with `--simulate=K` each is measured by every K-th view (of 1000 for the weights
in the box) or column, restored from these, and scored. Or it is an npz file of what was
measured: `sinogram` [angles, detectors] or [slices, angles, detectors], `angles` in
radians, `size` in pixels, and `pixel_mm` if the sinogram holds attenuation line
integrals. A network that looks at the degraded image alone takes degraded images, too:
reconstructions from few views, or the columns that are left.

A DICOM slice becomes one of a derived series, with patient, position and scale of its
source; a NIfTI volume keeps its affine. `OUT/enhance.csv` has the numbers of each
image. The same command goes on with what is missing. Not a medical device.

What it ends with: 0 all images were restored; 1 some were not, each named in a line; 2
bad input, before anything was written; 70 a mistake in this program, with its
traceback; 74 the storage failed; 130 Ctrl-C. The same command goes on after the last
two.
"""

import argparse
import csv
import io
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from etils import epath

import sisr_jax
from sisr_jax.config import Config
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
    Source,
    check_writable,
    write_images,
)
from sisr_jax.errors import ExitCode, InputError, ending, one_line
from sisr_jax.inference import Restorer, available, load
from sisr_jax.inference.slices import (
    Outcome,
    check_sinogram,
    restore_images,
    restore_sinogram,
    simulate,
)
from sisr_jax.run.progress import counted
from sisr_jax.storage.files import write_whole

_SOME_FAILED = 1
# Times the mean residual of the scores.
_UNUSUAL = 20.0
_SETTINGS, _NUMBERS = "enhance.json", "enhance.csv"
_FIELDS: Sequence[str] = "file image residual psnr ssim psnr_fbp ssim_fbp".split()


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
    options = _parser().parse_args(arguments)
    return ending(
        "sisr_jax.enhance",
        lambda: _run(options),
        interrupted="interrupted; the same command goes on from here",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sisr_jax.enhance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="INPUT")
    parser.add_argument("output", type=Path, metavar="OUT")
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
        "--png_rescale",
        type=_pair,
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
        "--overwrite", action="store_true", help="replace files that are there"
    )
    return parser


def _pair(text: str) -> tuple[float, float]:
    first, second = map(float, text.strip("()").split(","))
    return first, second


def _run(options: argparse.Namespace) -> int:
    restorer = load(options.model)
    if options.png_rescale is None:
        options.png_rescale = _config(restorer).data.png_rescale
    files, problems = _files_of(options.input)
    is_folder = options.input.is_dir()
    folder = options.output if is_folder else options.output.parent
    _check_places(options, folder)
    about = _derivation(options, restorer)
    jobs = []
    for path in files:
        try:
            jobs.append(_job(path, options, restorer))
        except InputError as error:
            problems.append(str(error))
    if not jobs:
        raise InputError(problems[0] if problems else f"{options.input}: no image")
    targets = Counter(job.target for job in jobs)
    for target, count in targets.items():
        if count > 1:
            raise InputError(f"{target}: {count} files would be written there")
    weights = _identity(restorer)
    rows = _begin(options, weights, folder, list(targets)) if is_folder else []
    done, remarks = {row["file"] for row in rows}, []
    scores = restorer.card.get("scores", ())
    usual = max((each.get("residual", math.inf) for each in scores), default=math.inf)
    for job in counted([job for job in jobs if _name(job, options) not in done]):
        try:
            outcome = job.restore()
            job.target.parent.mkdir(parents=True, exist_ok=True)
            write_images(job.target, outcome.images, job.source, about)
        except InputError as error:
            problems.append(_naming(job.source.path, error))
            continue
        name = _name(job, options)
        found = [
            {"file": name, "image": str(index)}
            | {key: f"{value:.6g}" for key, value in numbers.items()}
            for index, numbers in enumerate(outcome.numbers)
        ]
        rows += found
        worst = max(numbers.get("residual", 0.0) for numbers in outcome.numbers)
        if worst > _UNUSUAL * usual:
            remarks.append(
                f"{name}: {100 * worst:.2g} % of the measurement unexplained, over "
                f"{_UNUSUAL:g} times the usual: not what the weights were trained for?"
            )
        if is_folder:
            write_whole(epath.Path(folder / _NUMBERS), _table(rows))
    for line in (*problems, *(f"warning: {remark}" for remark in remarks)):
        print(f"sisr_jax.enhance: {line}", file=sys.stderr)
    print(_summary(rows, len(problems)))
    return _SOME_FAILED if problems else ExitCode.DONE


def _files_of(path: Path) -> tuple[list[Path], list[str]]:
    """Image files, and a line for each that cannot be used."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    if path.is_file():
        return [path], []
    listing = list_files(path)
    files, problems = [], [*listing.unreadable, *listing.problems.values()]
    for file in listing.files:
        try:
            files += [file] if find_reader(file) else []
        except InputError as error:
            problems.append(str(error))
    return files, problems


def _check_places(options: argparse.Namespace, folder: Path) -> None:
    source, target = options.input.resolve(), options.output.resolve()
    if options.input.is_dir():
        if target.is_relative_to(source) or source.is_relative_to(target):
            raise InputError(
                f"{options.output}: inside of {options.input}, or around it: expected "
                "another folder"
            )
        if target.exists() and not target.is_dir():
            raise InputError(f"{options.output}: a file, expected a folder")
    else:
        if options.format:
            raise InputError(f"--format={options.format}: needs a folder as INPUT")
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
        if target.exists() and (target == source or not options.overwrite):
            raise InputError(f"{options.output}: is there; --overwrite replaces it")


def _job(path: Path, options: argparse.Namespace, restorer: Restorer) -> _Job:
    target = options.output
    if options.input.is_dir():
        target = target / path.relative_to(options.input)
        if options.format:
            target = target.with_name(
                target.name.removesuffix(suffix_of(path)) + options.format
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
    if options.simulate is None and "measurement" in config.generator.sees:
        raise InputError(
            f"{path}: an image, and these weights restore what was measured: give "
            "--simulate=K to measure it, or an npz file with a sinogram"
        )
    if options.simulate is not None:
        try:
            config.degradation.every(options.simulate)
        except InputError as error:
            raise InputError(f"--simulate={options.simulate}: {error}") from error
    header = check_file(path)
    if header.left_out:
        raise InputError(f"{path}: {header.left_out}, expected a slice")
    source = Source(path, header, options.png_rescale)
    check_writable(target, source)
    is_wider = options.simulate is None and config.degradation.width_factor > 1
    kind = suffix_of(target)
    if is_wider and kind not in PLAIN:
        raise InputError(
            f"{target}: more columns than in {path}: expected a name that ends with "
            f"{', '.join(PLAIN)}"
        )

    def restore() -> Outcome:
        found = read_images(path, range(header.count), options.png_rescale)
        images = np.stack(list(found))
        if options.simulate is None:
            return restore_images(restorer, images)
        return simulate(restorer, images, factor=options.simulate)

    return _Job(source, target, restore)


def _config(restorer: Restorer) -> Config:
    assert restorer.config is not None, "it was loaded"
    return restorer.config


def _identity(restorer: Restorer) -> str:
    """Which weights these are: others may have come to the same place since."""
    card = restorer.card
    return card.get("sha256") or f"step {card['step']}"


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
    options: argparse.Namespace, weights: str, folder: Path, targets: list[Path]
) -> list[dict[str, str]]:
    """What is done already; refuses a folder of something else."""
    settings = {
        "model": options.model,
        "weights": weights,
        "version": sisr_jax.__version__,
        "input": str(options.input.resolve()),
        "simulate": options.simulate,
        "png_rescale": list(options.png_rescale),
        "format": options.format,
        "anonymise": options.anonymise,
    }
    path, numbers = folder / _SETTINGS, folder / _NUMBERS
    if path.is_file() and numbers.is_file() and not options.overwrite:
        if path.read_text() != json.dumps(settings, indent=1):
            raise InputError(
                f"{path}: OUT was made by another command; --overwrite replaces it"
            )
        with numbers.open(newline="") as file:
            rows = list(csv.DictReader(file))
        there = {str(each.relative_to(folder)) for each in targets if each.exists()}
        return [row for row in rows if row.get("file") in there]
    for target in targets:
        if target.exists() and not options.overwrite:
            raise InputError(f"{target}: is there; --overwrite replaces it")
    write_whole(epath.Path(path), json.dumps(settings, indent=1))
    write_whole(epath.Path(numbers), _table([]))
    return []


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
