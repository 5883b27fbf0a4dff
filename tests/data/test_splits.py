import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
import pytest
from image_files import ramp, write_dicom, write_png

from sisr_jax.data.persons import find_patient
from sisr_jax.data.splits import (
    assign,
    read_assignments,
    read_splits_csv,
    split_by_patient,
)
from sisr_jax.errors import InputError


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


@pytest.mark.parametrize(
    ("folder", "rows", "message"),
    [
        # Bare names in a CSV beside the image folder.
        ("", "a.png,train", r"line 2: 'a\.png': no such .* mean 'ct/a\.png'\?$"),
        ("", "us/d.png,train\ndeep/c.png,val", r"line 3: .* mean 'ct/deep/c\.png'\?$"),
        ("", "ct/a.png,train\nb.png,val", r"line 3: 'b\.png': .* mean 'ct/b\.png'\?$"),
        # Names relative to another folder than the CSV's.
        ("deep", "ct/a.png,train", r"line 2: 'ct/a\.png': .* mean 'a\.png'\?$"),
        (
            "up",
            "ct/a.png,train",
            r"no row .*; line 2 is 'ct/a\.png'; .* 'set/ct/a\.png'",
        ),
        ("", "us/x.png,train", r"no row is a file in .*/ct; line 2 is 'us/x\.png'$"),
        # Almost the name of a file.
        ("", "ct/a,train", r"line 2: 'ct/a': no such file .* mean 'ct/a\.png'\?$"),
        ("", "ct/B.PNG,train", r"mean 'ct/b\.png'\?$"),
        ("", "ct/unlistd.png,train", r"mean 'ct/unlisted\.png'\?$"),
        ("", "ct/none/q.png,train", r"line 2: 'ct/none/q\.png': no such file in \S*$"),
        ("", "", "no row is a file in .*/ct$"),
    ],
)
def test_rows_for_another_folder_name_the_file_that_exists(
    layout, folder, rows, message
):
    root = layout / "ct"
    if folder == "up":  # one folder further up than the names say
        layout.rename(layout.parent / "moved")
        layout.mkdir()
        (layout.parent / "moved").rename(layout / "set")
        root, folder = layout / "set/ct", ""
    (layout / folder).mkdir(exist_ok=True)
    csv_file = layout / folder / "splits.csv"
    csv_file.write_text(f"file,split\n{rows}\n")
    with pytest.raises(InputError, match=message) as error:
        read_assignments(csv_file, root=root)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(csv_file))


def test_same_name_in_two_folders_is_not_mistaken(layout):
    """A bare name that exists beside the CSV is a file of another folder."""
    write_png(layout / "a.png", ramp())
    csv_file = layout / "splits.csv"
    csv_file.write_text("file,split\na.png,train\nct/a.png,test\n")
    found = read_splits_csv(csv_file, root=layout / "ct")
    assert found == {layout / "ct/a.png": "test"}


@pytest.mark.parametrize("names", [("P1", "p1"), ("P1", " P1 "), ("A  b", "a B")])
def test_a_patient_written_in_two_ways_is_one(layout, names):
    csv_file = layout / "splits.csv"

    def read(second):
        rows = f"ct/a.png,train,{names[0]}\nct/b.png,{second},{names[1]}\n"
        csv_file.write_text(f"file,split,patient\n{rows}")
        return read_assignments(csv_file, root=layout / "ct")

    assert len({patient for _, patient in read("train").values()}) == 1
    with pytest.raises(InputError, match=r"patient '\w+( \w+)*' is in two splits: a"):
        read("test")


def two_ways():
    """A patient in capitals and in small letters, whose hashes differ in split."""
    for i in range(100):
        splits = {assign(Path(f"{p}{i}__a.png"), root=Path()).split for p in "Pp"}
        if len(splits) == 2:
            return f"P{i}", f"p{i}"
    raise AssertionError


def test_a_patient_written_in_two_ways_is_one_by_hash(tmp_path):
    names = two_ways()
    files = [write_png(tmp_path / f"{name}__a.png", ramp()) for name in names]
    assert len({find_patient(file, root=tmp_path) for file in files}) == 1
    with pytest.raises(InputError, match=rf"path = .*: patient '{names[1]}' is in two"):
        split_by_patient(files, root=tmp_path)


def test_hashes_have_not_changed():
    """A model must not be tested on what an earlier version trained on."""
    names = [f"P{i}" for i in range(10)]
    found = {name: assign(Path(f"{name}__0.png"), root=Path()).split for name in names}
    others = {name: split for name, split in found.items() if split != "train"}
    assert others == {"P3": "validation", "P5": "test", "P9": "validation"}


def test_hash_splits_at_80_and_90_per_cent():
    seen = set()
    for i in range(1000):
        percent = int(hashlib.sha256(b"P%d" % i).hexdigest()[:16], 16) % 100
        seen.add(percent)
        expected = ["train"] * 80 + ["validation"] * 10 + ["test"] * 10
        found = assign(Path(f"P{i}__0.png"), root=Path())
        assert found == (expected[percent], f"p{i}")
    assert {79, 80, 89, 90} < seen


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_one_file_under_a_link_is_in_one_split(layout, link):
    """Also through a folder that is a link."""
    root = layout / "ct"
    getattr(root / "again.png", link)(root / "a.png")
    (root / "linked").symlink_to(root / "deep")
    csv_file = layout / "splits.csv"

    def read(*rows):
        csv_file.write_text("\n".join(["file,split", *rows, ""]))
        return read_splits_csv(csv_file, root=root)

    assert len(read("ct/a.png,train", "ct/again.png,train", "ct/b.png,test")) == 3
    message = r"one file under a link is in two splits: a\.png in train, again\.png in"
    with pytest.raises(InputError, match=message):
        read("ct/a.png,train", "ct/again.png,val")
    with pytest.raises(InputError, match="one file under a link is in two"):
        read("ct/deep/c.png,train", "ct/linked/c.png,test")


def test_one_file_under_a_link_is_in_one_split_by_hash(tmp_path):
    by_split = {}
    for i in range(100):
        file = tmp_path / f"P{i}__a.png"
        by_split.setdefault(assign(file, root=tmp_path).split, file)
    first, second = by_split["train"], by_split["test"]
    write_png(first, ramp())
    second.symlink_to(first)
    message = f"one file under a link is in two splits: {first.name} in train"
    with pytest.raises(InputError, match=message):
        split_by_patient([first, second], root=tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("file,split,split", "2 columns 'split', expected one"),
        ("file,split,file", "2 columns 'file', expected one"),
        ("file,split,patient,patient", "2 columns 'patient', expected one"),
        ("file,split,patient,patient_id", "columns patient and patient_id, expected"),
    ],
)
def test_columns_that_are_there_twice(layout, header, message):
    (layout / "bad.csv").write_text(f"{header}\nct/a.png,train,test,x\n")
    with pytest.raises(InputError, match=message):
        read_splits_csv(layout / "bad.csv", root=layout / "ct")


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


def test_one_patient_of_dicom_headers(tmp_path):
    """Blanks around an identifier, capitals, or a study alone make it no other."""
    csv_file = tmp_path / "splits.csv"

    def read(*persons):
        for i, elements in enumerate(persons):
            write_dicom(tmp_path / f"{i}.dcm", ramp(), **elements)
        csv_file.write_text("file,split\n0.dcm,train\n1.dcm,test\n")
        return read_assignments(csv_file, root=tmp_path)

    first = {"PatientID": "P-Secret", "StudyInstanceUID": "1"}
    for other in ("P-Secret ", "  P-Secret", "p-secret", "P-SECRET"):
        with pytest.raises(InputError, match="DICOM header is in two splits") as error:
            read(first, {"PatientID": other, "StudyInstanceUID": "2"})
        assert "secret" not in str(error.value).casefold()
    assert len(read(first, {"PatientID": "P-Secret2", "StudyInstanceUID": "2"})) == 2
    # A study is of one person, whatever the other file says.
    for other in ("", "ANON0001", "P-Secret2"):
        with pytest.raises(InputError, match="the study of a DICOM header is in two"):
            read(first, {"PatientID": other, "StudyInstanceUID": "1"})
    nobody = {"PatientID": "ANONYMOUS", "StudyInstanceUID": "1"}
    assert len(read(nobody, nobody | {"StudyInstanceUID": "2"})) == 2
    with pytest.raises(InputError, match="DICOM header is in two splits"):
        read(nobody, nobody)


def test_a_study_is_not_split_by_hash(tmp_path):
    """Pseudonyms of files land in all splits; the study says that it is one person."""
    for i in range(40):
        elements = {"PatientID": f"ANON{i:04d}", "StudyInstanceUID": "1.2"}
        write_dicom(tmp_path / f"{i}.dcm", ramp(), **elements)
    files = sorted(tmp_path.glob("*.dcm"))
    with pytest.raises(
        InputError, match="the study of a DICOM header is in two splits"
    ):
        split_by_patient(files, root=tmp_path)
    # Who lists the patients knows better.
    csv_file = tmp_path / "splits.csv"
    rows = [f"{i}.dcm,{'train' if i % 2 else 'test'},{i}" for i in range(40)]
    csv_file.write_text("\n".join(["file,split,PatientID", *rows]))
    assert len(read_assignments(csv_file, root=tmp_path)) == 40
    rows[0] = "0.dcm,test,1"
    csv_file.write_text("\n".join(["file,split,PatientID", *rows]))
    with pytest.raises(InputError, match="patient '1' is in two splits"):
        read_assignments(csv_file, root=tmp_path)


def test_one_dicom_patient_in_two_spellings_by_hash(tmp_path):
    splits = {}
    for i in range(100):
        for letter in "Pp":
            path = write_dicom(
                tmp_path / f"{letter}{i}.dcm", ramp(), PatientID=f"{letter}{i}"
            )
            splits[path] = assign(path, root=tmp_path)
        pair = list(splits)[-2:]
        if splits[pair[0]].split != splits[pair[1]].split:
            break
    with pytest.raises(InputError, match="the patient of a DICOM header is in two"):
        split_by_patient(pair, root=tmp_path)


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
        file.truncate(2**25 + 1)
    with pytest.raises(ValueError, match=r"huge\.csv: 33554433 bytes, expected"):
        read_splits_csv(path, root=layout)
