import hashlib
from collections import defaultdict

import numpy as np
import pytest
from image_files import ramp, write_dicom, write_png

from sisr_jax.data.splits import find_patient, read_splits_csv, split_by_patient


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
        ("file,split\nct/a.png\n", "split None; expected"),
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
