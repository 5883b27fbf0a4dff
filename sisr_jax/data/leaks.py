"""What must not be in two splits: a patient, and a file.

A file is one file under however many links. Copies of a file are not noticed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sisr_jax.data.patients import hash_dicom_patient
from sisr_jax.errors import InputError

_HASH = re.compile("[0-9a-f]{64}")


def check_leaks(
    assignments: Mapping[Path, tuple[str, str]], *, root: Path, name: str
) -> None:
    """Refuses what is in two splits: a patient, or a file under two names.

    Args:
        assignments: Split and patient of each file; without a patient, that of a
            DICOM header counts.
        root: The folder of the data, which messages leave out.
        name: What messages start with.

    Raises:
        InputError: Naming two files and their splits.
    """
    patients: dict[str, Path] = {}
    places: dict[tuple[int, int], Path] = {}
    for file, (split, patient) in assignments.items():
        others = {}
        identity = patient or hash_dicom_patient(file)
        if identity:
            # An identifier from a DICOM header is not shown, not even its hash.
            is_shown = patient and not _HASH.fullmatch(patient)
            who = (
                f"patient {patient!r}" if is_shown else "the patient of a DICOM header"
            )
            others[who] = patients.setdefault(identity, file)
        place = _place(file)
        if place is not None:
            others["one file under a link"] = places.setdefault(place, file)
        for what, other in others.items():
            if assignments[other][0] != split:
                raise InputError(
                    f"{name}: {what} is in two splits: "
                    f"{other.relative_to(root).as_posix()} in "
                    f"{assignments[other][0]}, {file.relative_to(root).as_posix()} "
                    f"in {split}; expected one split for both"
                )


def _place(file: Path) -> tuple[int, int] | None:
    """Equal for the names of one file; None on drives that do not tell."""
    try:
        status = file.stat()
    except OSError as error:
        raise InputError(f"{file}: cannot be opened ({error.strerror})") from error
    return (status.st_dev, status.st_ino) if status.st_ino else None
