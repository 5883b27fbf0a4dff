"""Who a file is of.

Names that differ only in capitals and blanks (`P1`, `p1`, ` P1 `) are one patient.
"""

import unicodedata
from pathlib import Path

from sisr_jax.data.formats.dicom.opening import is_dicom
from sisr_jax.data.formats.dicom.patient import hash_patient
from sisr_jax.errors import InputError


def find_patient(file: Path, *, root: Path) -> str:
    """What stands for the patient of a file, without capitals and outer blanks.

    The first of these that exists:

    1. the file name up to the first `__` (`P012__series_003.png`: `p012`);
    2. for DICOM, the SHA-256 of the PatientID;
    3. the first folder below `root`, when the file is in one (not the innermost:
       the series of a patient must stay together);
    4. the file name without its extension: every file is a patient of its own.

    Args:
        file: A file below `root`.
        root: The folder of the data.
    """
    return fold_name(find_written_patient(file, root=root))


def find_written_patient(file: Path, *, root: Path) -> str:
    """As `find_patient`, but as it is written.

    The split follows from a hash of that, which must never change.
    """
    prefix, found, _ = file.name.partition("__")
    if found and prefix:
        return prefix
    hashed = hash_dicom_patient(file)
    if hashed:
        return hashed
    relative = file.relative_to(root)
    return relative.parts[0] if len(relative.parts) > 1 else file.stem


def fold_name(patient: str) -> str:
    """A patient's name for comparisons: without capitals, and with single blanks."""
    return " ".join(unicodedata.normalize("NFKC", patient).casefold().split())


def hash_dicom_patient(file: Path) -> str:
    """SHA-256 of the PatientID of a DICOM file; empty for any other file."""
    try:
        return hash_patient(file) if is_dicom(file) else ""
    except OSError as error:
        raise InputError(f"{file}: cannot be opened ({error.strerror})") from error
