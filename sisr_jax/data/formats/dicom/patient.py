"""Which DICOM files are of one person, without saying who it is.

Identifiers leave this file as hashes, and no value of a patient element enters a
message.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from pydicom.dataset import Dataset

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


class Person(NamedTuple):
    """Who a slice is of, as SHA-256 of identifiers; empty without one.

    Attributes:
        written: Of the PatientID as it is stored, but for the blanks around it. A
            placeholder, like `ANONYMOUS` or `0000`, is none: it stands for many people.
        folded: As `written`, without capitals and with single blanks: equal where one
            person was written in two ways.
        study: Of the StudyInstanceUID, which one person alone has.
    """

    written: str
    folded: str
    study: str


def read_person(path: Path) -> Person:
    """Reads who a DICOM file is of.

    Raises:
        InputError: If the file or one of the identifiers is damaged.
    """
    elements = ["PatientID", "StudyInstanceUID"]
    with open_dicom(path, elements=elements) as opened:
        identifier, study = (_value(path, opened.header, each) for each in elements)
    if _is_placeholder(identifier):
        identifier = b""
    folded = b" ".join(identifier.lower().split())
    return Person(_hash(identifier), _hash(folded), _hash(study))


def _value(path: Path, header: Dataset, keyword: str) -> bytes:
    """A raw element: decoding it could warn, and a warning could show it."""
    if keyword not in header:
        return b""
    try:
        value = header.get_item(keyword).value
    except Exception as error:  # as in `open_dicom`; the text could show the value
        raise InputError(f"{path}: DICOM file with a damaged {keyword}") from error
    raw = value if isinstance(value, bytes) else str(value or "").encode()
    return raw.strip(b" \0")


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest() if raw else ""


def _is_placeholder(raw: bytes) -> bool:
    letters = "".join(filter(str.isalnum, raw.decode("latin-1").casefold()))
    return letters in _PLACEHOLDERS or set(letters) in ({"0"}, {"x"})
