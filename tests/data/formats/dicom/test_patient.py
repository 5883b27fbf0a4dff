"""Who counts as a person by a DICOM header."""

import hashlib

import pytest
from image_files import ramp, write_dicom

from sisr_jax.data.formats.dicom.patient import read_person


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def read(folder, identifier, **elements):
    path = folder / "a.dcm"
    return read_person(write_dicom(path, ramp(), PatientID=identifier, **elements))


@pytest.mark.parametrize("stored", ["P-007", "P-007 ", " P-007", "  P-007   "])
def test_identifier_is_hashed_without_blanks(tmp_path, stored):
    person = read(tmp_path, stored, StudyInstanceUID="1.2.3")
    assert person == (digest("P-007"), digest("p-007"), digest("1.2.3"))


def test_identifier_that_is_padded_with_zeros(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", ramp(), PatientID="P-07")
    path.write_bytes(path.read_bytes().replace(b"P-07", b"P-7\0"))
    assert read_person(path).written == digest("P-7")


def test_one_identifier_in_two_spellings(tmp_path):
    first, second = (read(tmp_path, i) for i in ("Ab C 1", "aB   c 1 "))
    assert first.written != second.written
    assert first.folded == second.folded == digest("ab c 1")


@pytest.mark.parametrize(
    "stored", ["", "ANONYMOUS", "anonymized", "De-Identified", "000000", "XXXX", "N/A"]
)
def test_placeholder_names_no_person(tmp_path, stored):
    assert read(tmp_path, stored, StudyInstanceUID="1.2") == ("", "", digest("1.2"))


@pytest.mark.parametrize("stored", ["ANON-0012", "X1", "10", "Noneman", "7"])
def test_identifier_that_resembles_a_placeholder(tmp_path, stored):
    assert read(tmp_path, stored).written == digest(stored)


def test_neither_identifier_nor_study(tmp_path):
    assert read(tmp_path, None) == ("", "", "")
