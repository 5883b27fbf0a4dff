import hashlib

import pytest
from image_files import ramp, write_dicom, write_png

from sisr_jax.data.persons import find_patient, identify


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("name", "written", "folded"),
    [
        ("P7__001.png", "P7", "p7"),
        ("P7 __001__2.png", "P7 ", "p7"),
        ("P  7/scan/001.png", "P  7", "p 7"),
        ("STRASSE__1.png", "STRASSE", "strasse"),
        ("Straße__1.png", "Straße", "strasse"),
        ("\ufb01 \u2460__1.png", "\ufb01 \u2460", "fi 1"),
        ("__001.png", "__001", "__001"),
        (" __001.png", " __001", "__001"),
        ("a/__001.png", "a", "a"),
        ("P1\u200b__1.png", "P1\u200b", "p1"),
        ("Scan.01.png", "Scan.01", "scan.01"),
    ],
)
def test_patient_of_an_image(tmp_path, name, written, folded):
    path = write_png(tmp_path / name, ramp())
    assert identify(path, root=tmp_path) == (written, folded)
    assert find_patient(path, root=tmp_path) == folded


@pytest.mark.parametrize(
    ("name", "identifier", "expected"),
    [
        ("a.dcm", "P-Secret ", (digest("P-Secret"), digest("p-secret"))),
        ("x/a.dcm", "P-Secret", (digest("P-Secret"), digest("p-secret"))),
        ("x/a.png", "P-Secret", (digest("P-Secret"), digest("p-secret"))),
        ("Q__a.dcm", "P-Secret", ("Q", "q")),
        ("X/a.dcm", "ANONYMOUS", ("X", "x")),
        ("a.dcm", "ANONYMOUS", (digest("1.2"), digest("1.2"))),
        ("a.dcm", None, (digest("1.2"), digest("1.2"))),
    ],
)
def test_patient_of_a_dicom_file(tmp_path, name, identifier, expected):
    elements = {"PatientID": identifier, "StudyInstanceUID": "1.2"}
    path = write_dicom(tmp_path / name, ramp(), **elements)
    assert identify(path, root=tmp_path) == expected
