import hashlib
from collections import defaultdict

import numpy as np
import pydicom
import pytest
from image_files import ramp, write_dicom, write_png

from sisr_jax.data.splits import (
    find_patient,
    read_assignments,
    read_splits_csv,
    split_by_patient,
)


def test_patient_of_a_file(tmp_path):
    dicom = write_dicom(tmp_path / "x/1.dcm", ramp())
    unnamed = write_dicom(tmp_path / "y/series/1.dcm", ramp(), PatientID="")
    prefixed = write_dicom(tmp_path / "P7__001.dcm", ramp())
    nested = write_png(tmp_path / "P8/series/001.png", ramp())
    flat = write_png(tmp_path / "scan.png", ramp())

    def patient(path):
        return find_patient(path, root=tmp_path)

    assert patient(dicom) == hashlib.sha256(b"P-SECRET").hexdigest()
    assert patient(unnamed) == "y"
    assert patient(prefixed) == "P7"
    assert patient(nested) == "P8"
    assert patient(flat) == "scan"


def test_hash_split_keeps_patients_together_and_near_80_10_10(tmp_path):
    files = [tmp_path / f"P{i:04d}__{j}.png" for i in range(500) for j in range(3)]
    for file in files:
        file.touch()
    splits = split_by_patient(files, root=tmp_path)
    by_patient = defaultdict(set)
    for file, split in splits.items():
        by_patient[file.name[:5]].add(split)
    assert all(len(found) == 1 for found in by_patient.values())
    counts = {
        name: list(splits.values()).count(name) / 1500 for name in set(splits.values())
    }
    assert counts["train"] == pytest.approx(0.8, abs=0.05)
    assert counts["validation"] == pytest.approx(0.1, abs=0.04)
    assert counts["test"] == pytest.approx(0.1, abs=0.04)
    # More patients never move the ones that are there.
    fewer = split_by_patient(files[:300], root=tmp_path)
    assert all(splits[file] == split for file, split in fewer.items())


def test_series_of_one_patient_stay_together(tmp_path):
    files = [
        write_png(tmp_path / f"P{i}/series_{j}/0.png", ramp((2, 2), np.uint8))
        for i in range(12)
        for j in range(4)
    ]
    splits = split_by_patient(files, root=tmp_path)
    for i in range(12):
        assert len({splits[f] for f in files if f.parts[-3] == f"P{i}"}) == 1


@pytest.fixture
def layout(tmp_path):
    """The team's layout: a manifest above one folder for each modality."""
    for name in (
        "ct/a.png",
        "ct/b.png",
        "ct/deep/c.png",
        "ct/unlisted.png",
        "us/d.png",
    ):
        write_png(tmp_path / name, ramp())
    manifest = tmp_path / "manifest.csv"
    manifest.write_text(
        "file,patient_id,split,modality\n"
        "us/d.png,4,train,US\nct/deep/c.png,3,val,CT\nct/b.png,2,test,CT\n"
        "ct/a.png,1,train,CT\n"
    )
    return tmp_path


def test_manifest_above_the_image_folders(layout):
    splits = read_splits_csv(layout / "manifest.csv", root=layout / "ct")
    assert splits == {
        layout / "ct/a.png": "train",
        layout / "ct/b.png": "test",
        layout / "ct/deep/c.png": "validation",
    }
    assert list(splits) == sorted(splits)


def test_csv_kept_apart_is_relative_to_the_data(layout):
    (layout / "elsewhere").mkdir()
    csv_file = layout / "elsewhere/splits.csv"
    csv_file.write_text("﻿file,split\na.png,train\ndeep/c.png,test\n", encoding="utf-8")
    splits = read_splits_csv(csv_file, root=layout / "ct")
    assert splits == {
        layout / "ct/a.png": "train",
        layout / "ct/deep/c.png": "test",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,split\nct/gone.png,train\n", r"line 2: 'ct/gone\.png': no such file"),
        ("file,split\n../x.png,train\n", r"line 2: '\.\./x\.png' is outside"),
        ("file,split\nct/../../x.png,test\n", "is outside"),
        ("file,split\n/etc/hostname,train\n", "'/etc/hostname' is outside"),
        ("file,split\nct/a.png,training\n", "split 'training'; expected"),
        ("file,split\nct/a.png\n", "split ''; expected"),
        ("file,split\n,train\n", "file ''"),
        ("name,split\nct/a.png,train\n", "no column file"),
        ("", "no column file, split"),
        ("file,split\nct/a.png,train\nct/./a.png,test\n", "line 3: .* listed twice"),
    ],
)
def test_bad_csv(layout, text, message):
    (layout / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=message) as error:
        read_splits_csv(layout / "bad.csv", root=layout / "ct")
    assert "bad.csv" in str(error.value)
    assert "\n" not in str(error.value)


def test_csv_that_is_no_text(layout):
    (layout / "bad.csv").write_bytes(b"\xff\xfe\x00\x01file")
    with pytest.raises(ValueError, match=r"bad\.csv: not a UTF-8 CSV file"):
        read_splits_csv(layout / "bad.csv", root=layout)


def test_absent_csv(layout):
    with pytest.raises(ValueError, match=r"splits_csv = .*none\.csv'"):
        read_splits_csv(layout / "none.csv", root=layout)


@pytest.mark.parametrize("column", ["patient", "patient_id"])
def test_patient_in_two_splits_by_the_column(layout, column):
    csv_file = layout / "two.csv"
    csv_file.write_text(
        f"file,split,{column}\nct/a.png,train,7\nct/deep/c.png,train,8\n"
        "ct/b.png,val, 7 \nus/d.png,test,8\n"
    )
    message = (
        r"two\.csv: patient '7' is in two splits: a\.png in train, b\.png in validation"
    )
    with pytest.raises(ValueError, match=message):
        read_splits_csv(csv_file, root=layout / "ct")
    # The other modality has its own numbers.
    assert len(read_splits_csv(csv_file, root=layout / "us")) == 1


def test_patient_in_two_splits_by_the_dicom_header(tmp_path):
    for name in "ab":
        write_dicom(tmp_path / f"{name}.dcm", ramp())
    csv_file = tmp_path / "splits.csv"
    csv_file.write_text("file,split\na.dcm,train\nb.dcm,test\n")
    message = r"DICOM header is in two splits: a\.dcm in train, b\.dcm in test"
    with pytest.raises(ValueError, match=message) as error:
        read_splits_csv(csv_file, root=tmp_path)
    assert "SECRET" not in str(error.value)
    assert hashlib.sha256(b"P-SECRET").hexdigest() not in str(error.value)
    # The column of the CSV decides where there is one.
    csv_file.write_text("file,split,patient\na.dcm,train,1\nb.dcm,test,2\n")
    found = read_assignments(csv_file, root=tmp_path)
    assert found[tmp_path / "b.dcm"] == ("test", "2")


def test_damaged_patient_element_is_not_shown(tmp_path, monkeypatch):
    get_item = pydicom.Dataset.get_item

    def fail(self, tag):
        if tag == "PatientID":
            # What pydicom raises for an element of an unknown kind.
            raise NotImplementedError("of what? P-SECRET")
        return get_item(self, tag)

    path = write_dicom(tmp_path / "a.dcm", ramp())
    monkeypatch.setattr("pydicom.Dataset.get_item", fail)
    with pytest.raises(ValueError, match=r"a\.dcm: .* a damaged PatientID") as error:
        find_patient(path, root=tmp_path)
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("name", ["x" * 5000, "a\0.png"], ids=["long", "null"])
def test_name_that_no_file_can_have(layout, name):
    (layout / "bad.csv").write_text(f"file,split\nct/{name},train\n")
    with pytest.raises(ValueError, match=r"bad\.csv, line 2: .*no such file"):
        read_splits_csv(layout / "bad.csv", root=layout / "ct")


def test_huge_csv_is_refused_by_its_size(layout):
    path = layout / "huge.csv"
    with path.open("wb") as file:
        file.truncate(2**26 + 1)
    with pytest.raises(ValueError, match=r"huge\.csv: 67108865 bytes, expected"):
        read_splits_csv(path, root=layout)
