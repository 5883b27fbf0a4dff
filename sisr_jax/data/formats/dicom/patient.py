"""Which DICOM files are of one person, without saying who it is.

The patient's identifier leaves this file as a hash, and no value of a patient element
enters a message.
"""

import hashlib
from pathlib import Path

from sisr_jax.data.formats.dicom.opening import open_dicom
from sisr_jax.errors import InputError


def hash_patient(path: Path) -> str:
    """SHA-256 of the stored PatientID bytes; empty when there is none.

    The raw element is hashed: decoding it could warn, and a warning could show it.
    """
    with open_dicom(path, elements=["PatientID"]) as opened:
        header = opened.header
    if "PatientID" not in header:
        return ""
    try:
        value = header.get_item("PatientID").value
    except Exception as error:  # as in `open_dicom`; the text could show the value
        raise InputError(f"{path}: DICOM file with a damaged PatientID") from error
    raw = (value if isinstance(value, bytes) else str(value or "").encode()).strip(
        b" \0"
    )
    return hashlib.sha256(raw).hexdigest() if raw else ""
