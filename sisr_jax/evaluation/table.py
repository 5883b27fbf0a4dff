"""Per-image scores, their means, and how both are written down.

Every table and file carries the name of the protocol it was measured by.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from etils import epath

from sisr_jax.errors import InputError, one_line
from sisr_jax.evaluation.statistics import (
    Interval,
    bootstrap_interval,
    paired_wilcoxon,
)
from sisr_jax.storage.files import check_file, write_whole


class Score(NamedTuple):
    """How one method did on one image.

    Attributes:
        method: Name of the method.
        image: Name of the image.
        psnr: In dB.
        ssim: At most 1.
        more: Further numbers, the same ones for every score of a protocol.
        patient: Whose image it is; see `patients`.
        protocol: Name of the protocol.
    """

    method: str
    image: str
    psnr: float
    ssim: float
    more: Mapping[str, float]
    patient: str
    protocol: str


class Row(NamedTuple):
    """Means of one method over its images.

    Attributes:
        method: Name of the method.
        protocol: Name of the protocol.
        num_images: Images scored.
        num_patients: Patients they are of.
        psnr: Mean in dB over all of them; infinite as soon as one image is
            reproduced exactly. Nothing is left out of a mean.
        psnr_interval: 95 % over patients.
        ssim: Mean over all of them.
        ssim_interval: 95 % over patients.
        p_value: That the PSNR differs from the reference's by chance; NaN for the
            reference and without one.
        num_exact: Images of infinite PSNR.
        more: Means of the further numbers over the images that have them (a
            mask may be empty); NaN if none has.
    """

    method: str
    protocol: str
    num_images: int
    num_patients: int
    psnr: float
    psnr_interval: Interval
    ssim: float
    ssim_interval: Interval
    p_value: float
    num_exact: int
    more: Mapping[str, float]


def write_csv(path: epath.PathLike, scores: Sequence[Score]) -> None:
    """Writes one line for each method and image, replacing the file in one move.

    Numbers keep all their digits; `inf` and `nan` are written as such, and a
    number that a protocol does not have is empty.
    """
    more = list(dict.fromkeys(name for score in scores for name in score.more))
    header = ("method", "image", "psnr", "ssim", *more, "patient", "protocol")
    lines = [
        (*score[:4], *(score.more.get(name, "") for name in more), *score[5:])
        for score in scores
    ]
    _write(path, [header, *lines])


def read_csv(path: epath.PathLike) -> list[Score]:
    """Reads what `write_csv` wrote, digit by digit.

    Raises:
        InputError: If it is no CSV or no file, a column is missing or given twice, or a
            number is none.
    """
    path = epath.Path(path)
    check_file(path)
    try:
        reader = csv.DictReader(io.StringIO(path.read_bytes().decode()))
        lines = [(reader.line_num, line) for line in reader]
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a UTF-8 CSV ({one_line(error)})") from error
    named = set(Score._fields) - {"more"}
    missing = named - set(reader.fieldnames or ())
    if missing:
        raise InputError(f"{path}: no column {', '.join(sorted(missing))}")
    if twice := len(columns := reader.fieldnames or ()) - len(set(columns)):
        raise InputError(f"{path}: {twice} names of columns are given twice")
    scores = []
    for number, line in lines:
        try:
            known = {name: line[name] for name in ("method", "image")}
            known |= {name: line[name] for name in ("patient", "protocol")}
            numbers = {k: float(v) for k, v in line.items() if k not in known and v}
            psnr, ssim = numbers.pop("psnr"), numbers.pop("ssim")
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}, line {number}: {one_line(error)}") from error
        scores.append(Score(psnr=psnr, ssim=ssim, more=numbers, **known))
    return scores


def write_rows(path: epath.PathLike, rows: Sequence[Row]) -> None:
    """Writes the means as a CSV, one line for each method and protocol."""
    more = list(dict.fromkeys(name for row in rows for name in row.more))
    header = (
        *("protocol", "method", "images", "patients"),
        *("psnr", "psnr_low", "psnr_high", "ssim", "ssim_low", "ssim_high"),
        *("p_value", *more),
    )
    lines = [
        (
            *(row.protocol, row.method, row.num_images, row.num_patients),
            *(row.psnr, *row.psnr_interval, row.ssim, *row.ssim_interval),
            *(row.p_value, *(row.more.get(name, "") for name in more)),
        )
        for row in rows
    ]
    _write(path, [header, *lines])


def summarise(scores: Sequence[Score], reference: str = "") -> list[Row]:
    """Means by protocol and method, in the order in which they first appear.

    Args:
        scores: Per image; within a protocol every method has the same images in
            the same order.
        reference: Method whose PSNR the others' are tested against; none if empty.

    Raises:
        ValueError: If a protocol has no score of the reference, or a method has
            other images than it.
    """
    groups: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.protocol, score.method), []).append(score)
    rows = []
    for (protocol, method), each in groups.items():
        p_value = float("nan")
        if reference and method != reference:
            others = groups.get((protocol, reference), [])
            p_value = _test(each, others, f"{protocol}, {method} and {reference}")
        rows.append(_row(each, p_value))
    return rows


def _test(scores: Sequence[Score], others: Sequence[Score], label: str) -> float:
    if [score.image for score in scores] != [score.image for score in others]:
        raise ValueError(f"{label}: expected scores of the same images")
    return paired_wilcoxon(
        [score.psnr for score in scores],
        [score.psnr for score in others],
        [score.patient for score in scores],
    )


def _row(scores: Sequence[Score], p_value: float) -> Row:
    psnr, ssim = [score.psnr for score in scores], [score.ssim for score in scores]
    patients = [score.patient for score in scores]
    return Row(
        method=scores[0].method,
        protocol=scores[0].protocol,
        num_images=len(scores),
        num_patients=len(set(patients)),
        psnr=float(np.mean(psnr)),
        psnr_interval=bootstrap_interval(psnr, patients),
        ssim=float(np.mean(ssim)),
        ssim_interval=bootstrap_interval(ssim, patients),
        p_value=p_value,
        num_exact=int(np.isposinf(psnr).sum()),
        more={
            name: _mean_of_known([score.more.get(name, np.nan) for score in scores])
            for name in dict.fromkeys(name for score in scores for name in score.more)
        },
    )


def _mean_of_known(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def _write(path: epath.PathLike, lines: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    write_whole(epath.Path(path), text.getvalue())
