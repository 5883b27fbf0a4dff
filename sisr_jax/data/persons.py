"""Who a file is of.

Names that differ only in capitals and blanks (`P1`, `p1`, ` P1 `) are one patient.
"""

import unicodedata
from pathlib import Path
from typing import NamedTuple

from sisr_jax.data.formats.dicom.opening import is_dicom
from sisr_jax.data.formats.dicom.patient import Person, read_person
from sisr_jax.errors import InputError


class Patient(NamedTuple):
    """What stands for the patient of a file.

    Attributes:
        written: As it is written. The split follows from a hash of that, so it must
            never change from one version to the next.
        name: For comparisons, see `fold_name`.
    """

    written: str
    name: str


def identify(file: Path, *, root: Path) -> Patient:
    """The patient of a file.

    The first of these that exists:

    1. the file name up to the first `__` (`P012__series_003.png`: `P012`);
    2. for DICOM, the SHA-256 of the PatientID, unless that is a placeholder;
    3. the first folder below `root`, when the file is in one (not the innermost:
       the series of a patient must stay together);
    4. for DICOM, the SHA-256 of the StudyInstanceUID;
    5. the file name without its extension: every file is a patient of its own.

    Args:
        file: A file below `root`.
        root: The folder of the data.

    Raises:
        InputError: If the file cannot be opened, or is a damaged DICOM file.
    """
    prefix, found, _ = file.name.partition("__")
    if found and prefix.strip():
        return Patient(prefix, fold_name(prefix))
    person = find_person(file)
    if person.written:
        return Patient(person.written, person.folded)
    relative = file.relative_to(root)
    in_folder = len(relative.parts) > 1
    written = relative.parts[0] if in_folder else person.study or file.stem
    return Patient(written, fold_name(written))


def find_patient(file: Path, *, root: Path) -> str:
    """The name of `identify`."""
    return identify(file, root=root).name


def find_person(file: Path) -> Person:
    """Who a DICOM file is of; nobody for any other file.

    Raises:
        InputError: As `identify`.
    """
    try:
        return read_person(file) if is_dicom(file) else Person("", "", "")
    except OSError as error:
        raise InputError(f"{file}: cannot be opened ({error.strerror})") from error


def fold_name(patient: str) -> str:
    """A patient's name for comparisons.

    Without capitals, with single blanks, and without what nobody sees.
    """
    plain = unicodedata.normalize("NFKC", patient).casefold()
    seen = (each for each in plain if unicodedata.category(each) != "Cf")
    return " ".join("".join(seen).split())
