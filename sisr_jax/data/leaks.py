"""What must not be in two splits: a patient, and a file.

A file is one file under however many links. Copies of a file are not noticed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from sisr_jax.data.files import identity
from sisr_jax.data.persons import find_person
from sisr_jax.errors import InputError

_HASH = re.compile("[0-9a-f]{64}")


def check_leaks(
    assignments: Mapping[Path, tuple[str, str]],
    *,
    root: Path,
    name: str,
    stated: bool = False,
) -> None:
    """Refuses what is in two splits: a patient, a study, or a file under two names.

    Args:
        assignments: Split and patient of each file; without a patient, the PatientID
            of a DICOM header counts.
        stated: Whether somebody who knows has listed the patients. Else files of one
            DICOM study, which is of one person, must be in one split as well.
        root: The folder of the data, which messages leave out.
        name: What messages start with.

    Raises:
        InputError: Naming two files and their splits.
    """
    patients: dict[str, Path] = {}
    studies: dict[str, Path] = {}
    places: dict[object, Path] = {}
    for file, (split, patient) in assignments.items():
        others = {}
        header = None if patient and stated else find_person(file)
        if header and header.study:
            study = "the study of a DICOM header"
            others[study] = studies.setdefault(header.study, file)
        person = patient or (header.folded if header else "")
        if person:
            # An identifier from a DICOM header is not shown, not even its hash.
            is_hash = _HASH.fullmatch(person)
            who = "the patient of a DICOM header" if is_hash else f"patient {person!r}"
            others[who] = patients.setdefault(person, file)
        others["one file under a link"] = places.setdefault(identity(file), file)
        for what, other in others.items():
            if assignments[other][0] != split:
                raise InputError(
                    f"{name}: {what} is in two splits: "
                    f"{other.relative_to(root).as_posix()} in "
                    f"{assignments[other][0]}, {file.relative_to(root).as_posix()} "
                    f"in {split}; expected one split for both"
                )
