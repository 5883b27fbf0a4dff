"""Who counts as a person by a DICOM header."""

import hashlib

import pytest
from image_files import ramp, write_dicom

from sisr_jax.data.formats.dicom.patient import hash_patient, hash_study


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("stored", ["P-007", "P-007 ", " P-007"])
def test_identifier_is_hashed_without_blanks(tmp_path, stored):
    path = write_dicom(tmp_path / "a.dcm", ramp(), PatientID=stored)
    assert hash_patient(path) == digest("P-007")


@pytest.mark.parametrize(
    "stored", ["", "ANONYMOUS", "anonymized", "De-Identified", "000000", "XXXX", "N/A"]
)
def test_placeholder_names_no_person(tmp_path, stored):
    path = write_dicom(
        tmp_path / "a.dcm", ramp(), PatientID=stored, StudyInstanceUID="1.2.3"
    )
    assert hash_patient(path) == ""
    assert hash_study(path) == digest("1.2.3")


@pytest.mark.parametrize("stored", ["ANON-0012", "X1", "10", "Noneman", "7"])
def test_identifier_that_resembles_a_placeholder(tmp_path, stored):
    path = write_dicom(tmp_path / "a.dcm", ramp(), PatientID=stored)
    assert hash_patient(path) == digest(stored)


def test_neither_identifier_nor_study(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", ramp(), PatientID="")
    assert hash_patient(path) == hash_study(path) == ""
