"""Restores file after file, and tells what was wrong at the end."""

import contextlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import sisr_jax
from sisr_jax.data.formats.headers import Derivation
from sisr_jax.data.formats.writers import write_images
from sisr_jax.enhancement.jobs import Job
from sisr_jax.enhancement.places import report_of
from sisr_jax.enhancement.progress_table import (
    digest_of,
    finish,
    identity_of,
    note,
    rows_of,
    summary,
)
from sisr_jax.enhancement.request import Request
from sisr_jax.errors import ExitCode, InputError, one_line
from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.restoration import draw_restoration
from sisr_jax.inference import Restorer
from sisr_jax.inference.slices import Outcome
from sisr_jax.inference.trained_for import config_of
from sisr_jax.run.progress import counted
from sisr_jax.storage.failures import reporting

_SOME_FAILED = 1
# Times the mean residual of the scores.
_UNUSUAL = 20.0


def restore(
    request: Request,
    restorer: Restorer,
    jobs: Sequence[Job],
    rows: list[dict[str, str]],
    problems: list[str],
) -> int:
    """Restores what is not done yet, and prints what was wrong and a summary.

    Args:
        request: What the user asks for.
        restorer: The weights.
        jobs: For each file.
        rows: What is done of a folder; more are appended.
        problems: A line for each file that cannot be used; more are appended.

    Returns:
        The exit code.

    Raises:
        StorageError: If the storage fails.
    """
    is_folder, about = request.is_folder, _derivation(request, restorer)
    done, remarks = {row["file"] for row in rows}, []
    missing = [job for job in jobs if job.name not in done]
    _warn_of_files(missing)
    scores = restorer.card.get("scores", ())
    usual = max((each.get("residual", math.inf) for each in scores), default=math.inf)
    for job in counted(missing):
        name = job.name
        try:
            digest = digest_of(job.source.path) if is_folder else ""
            outcome = job.restore()
            found = rows_of(name, digest, outcome)
            if is_folder:
                # The numbers first: an image without them is another's.
                with reporting(f"{job.target}: writing"):
                    job.target.parent.mkdir(parents=True, exist_ok=True)
                    job.target.unlink(missing_ok=True)
                note(request, found)
            if request.report:
                _draw(job, outcome, restorer, about)
            try:
                write_images(job.target, outcome.images, job.source, about)
            except BaseException:
                if request.report:  # to the same command it would be another's
                    with contextlib.suppress(OSError):
                        report_of(job.target).unlink(missing_ok=True)
                raise
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
    if is_folder:
        finish(request, restorer, jobs, rows)
    for line in (*problems, *(f"warning: {remark}" for remark in remarks)):
        _say(line)
    print(summary(rows, len(problems)))
    return _SOME_FAILED if problems else ExitCode.DONE


def _warn_of_files(jobs: Sequence[Job]) -> None:
    """Says before anything is restored which files are unlike those of the training.

    The files of a series are alike: a line tells of all.
    """
    found: dict[str, list[str]] = {}
    for job in jobs:
        if job.remark:
            found.setdefault(job.remark, []).append(job.name)
    for remark, (first, *others) in found.items():
        more = f" and {len(others)} others" if others else ""
        _say(f"warning: {first}{more}: {remark}")


def _say(line: str) -> None:
    print(f"sisr_jax.enhance: {line}", file=sys.stderr)


def _draw(job: Job, outcome: Outcome, restorer: Restorer, about: Derivation) -> None:
    """Draws the page about the middle image."""
    assert outcome.middle is not None, "it was measured"
    index = len(outcome.numbers) // 2
    numbers = outcome.numbers[index].items()
    shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers)
    with reporting(f"{job.target}: drawing its report"):
        draw_restoration(
            report_of(job.target),
            outcome.middle(),
            display=display_of(protocol_of(config_of(restorer))),
            title=f"{job.target.name}, image {index}: {shown}. {about.text}",
        )


def _derivation(request: Request, restorer: Restorer) -> Derivation:
    # As DICOM takes it, whatever the folder is called.
    name = one_line(restorer.card["name"]).encode("ascii", "replace").decode()
    text = f"Restored by sisr_jax {sisr_jax.__version__} with the weights {name}"
    method = f"sisr_jax {name}"
    if request.simulate is not None:
        measures = config_of(restorer).degradation.measures
        text += f" from a simulation: every {request.simulate}th of all {measures}"
        method += f" x{request.simulate}"
    if request.columns is not None:
        factor, offset = request.columns
        text += f" from every {factor}th column, the first of them {offset}"
        method += f" x{factor}"
    if request.views is not None:
        num_angles, factor = request.views
        text += f" from a back-projection of {-(-num_angles // factor)} views"
    given = request.simulate, request.columns, request.views
    return Derivation(
        method,
        f"{text}. Research only.",
        sisr_jax.__version__,
        request.anonymise,
        recipe=f"{identity_of(restorer)}, {given}",
    )


def _naming(path: Path, error: InputError) -> str:
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"
