"""Which DICOM files are of one person, without saying who it is.

Identifiers leave this file as hashes, and no value of a patient element enters a
message.
"""

import hashlib
from pathlib import Path

from sisr_jax.data.formats.dicom.opening import open_dicom
from sisr_jax.errors import InputError

# What programs write in place of an identifier, without case, blanks and marks.
_PLACEHOLDERS = frozenset(
    (
        *("", "anon", "anonym", "anonymous", "anonymized", "anonymised", "anonymousid"),
        *("anonymouspatient", "deidentified", "hidden", "na", "noid", "none", "noname"),
        *("null", "patient", "patientid", "redacted", "removed", "unknown", "unnamed"),
    )
)


def hash_patient(path: Path) -> str:
    """SHA-256 of the stored PatientID bytes, empty when it names no person.

    A placeholder, like `ANONYMOUS` or `0000`, is the same for many people.

    Args:
        path: A DICOM file.
    """
    return _hash(path, "PatientID")


def hash_study(path: Path) -> str:
    """SHA-256 of the StudyInstanceUID, which one person alone has; empty without it.

    Args:
        path: A DICOM file.
    """
    return _hash(path, "StudyInstanceUID")


def _hash(path: Path, keyword: str) -> str:
    """Hash of a raw element: decoding it could warn, and a warning could show it."""
    with open_dicom(path, elements=[keyword]) as opened:
        header = opened.header
    if keyword not in header:
        return ""
    try:
        value = header.get_item(keyword).value
    except Exception as error:  # as in `open_dicom`; the text could show the value
        raise InputError(f"{path}: DICOM file with a damaged {keyword}") from error
    raw = (value if isinstance(value, bytes) else str(value or "").encode()).strip(
        b" \0"
    )
    return "" if _is_placeholder(raw) else hashlib.sha256(raw).hexdigest()


def _is_placeholder(raw: bytes) -> bool:
    letters = "".join(filter(str.isalnum, raw.decode("latin-1").casefold()))
    return letters in _PLACEHOLDERS or set(letters) in ({"0"}, {"x"})
