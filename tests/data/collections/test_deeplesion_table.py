import pytest
from deeplesion_tree import row, write_table

from sisr_jax.data.collections import deeplesion_table
from sisr_jax.data.collections.deeplesion_table import read_table

A = "000001_01_01"


def read(tmp_path, *rows):
    write_table(tmp_path, rows)
    return read_table(tmp_path / "DL_info.csv")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        # As strings ".9" and " 1.1" would be below "0.6", "0.5, 9" above "0.49".
        ({"Spacing_mm_px_": ".9, .9, 1"}, None),
        ({"Spacing_mm_px_": " 1.1, 1.1, 6.0"}, None),
        ({"Spacing_mm_px_": "7e-1, 7e-1, 5"}, None),
        ({"Spacing_mm_px_": "6e-1, 0.9, 5"}, "pixel spacing not above 0.6 mm"),
        ({"Spacing_mm_px_": "0.9, 0.59, 5"}, "pixel spacing not above 0.6 mm"),
        ({"Spacing_mm_px_": "0.9, 0.9, 10"}, "slice spacing not in 1 to 6 mm"),
        ({"Spacing_mm_px_": "0.9, 0.9, 0.8"}, "slice spacing not in 1 to 6 mm"),
        ({"Image_size": "768, 768"}, "image is not 512x512"),
        ({"Possibly_noisy": 1}, "possibly noisy"),
    ],
)
def test_selection(tmp_path, changes, reason):
    (lesion,), _, _ = read(tmp_path, row(A, 8, 1, **changes))
    skip = lesion.reason_to_skip(keep_noisy=False)
    assert (skip and skip.reason) == reason
    if reason == "possibly noisy":
        assert lesion.reason_to_skip(keep_noisy=True) is None


def test_a_slice_far_up_is_read(tmp_path):
    """The length of the range is bounded, not where it lies."""
    (lesion,), _, _ = read(tmp_path, row(A, 6001, 1, Slice_range="5990, 6010"))
    assert lesion.key == 6001


@pytest.mark.parametrize(
    "changes",
    [
        {"File_name": "../../etc_1_1_008.png"},
        {"File_name": "000001_01_01_008.png/../x"},
        {"File_name": ""},
        {"Patient_index": 2},
        {"Key_slice_index": 9},
        {"Train_Val_Test": 4},
        {"Train_Val_Test": ""},
        {"Bounding_boxes": "1, 2, 3"},
        {"Bounding_boxes": "9, 2, 3, 4"},
        {"Bounding_boxes": "1, 2, nan, 4"},
        {"Spacing_mm_px_": "0.7, 0.7"},
        {"Spacing_mm_px_": "0.7; 0.7; 5"},
        {"Spacing_mm_px_": "1e300, 1, 5"},
        {"Slice_range": "9, 12"},
        {"Slice_range": "0, 900000"},
        {"Coarse_lesion_type": 1e5},
        {"DICOM_windows": "wide"},
    ],
)
def test_unreadable_row_is_left_out_by_its_line(tmp_path, changes):
    lesions, skips, unknown = read(tmp_path, row(A, 9, 1), row(A, 8, 1, **changes))
    assert [lesion.key for lesion in lesions] == [9]
    assert [skip[:2] for skip in skips] == [("DL_info.csv, line 3", "unreadable row")]
    assert unknown == (set() if "File_name" in changes else {A})


def test_short_row(tmp_path):
    write_table(tmp_path, [row(A, 8, 1)])
    with (tmp_path / "DL_info.csv").open("a") as file:
        file.write("000001_01_01_009.png,1\n")
    lesions, skips, _ = read_table(tmp_path / "DL_info.csv")
    assert (len(lesions), len(skips)) == (1, 1)


@pytest.mark.parametrize(
    ("age", "parsed"), [("62", 62), ("1e9", -1), ("", -1), ("NaN", -1), ("old", -1)]
)
def test_age(tmp_path, age, parsed):
    (lesion,), _, _ = read(tmp_path, row(A, 8, 1, Patient_age=age))
    assert lesion.age == parsed


def test_margin_is_the_diameter_as_a_depth(tmp_path):
    (lesion,), _, _ = read(tmp_path, row(A, 8, 1, Lesion_diameters_Pixel_="10.4, 6.5"))
    assert lesion.margin == 2  # 10.4 * 0.75 / 5 = 1.56
    (lesion,), _, _ = read(tmp_path, row(A, 8, 1, Spacing_mm_px_="0.7, 0.7, 0"))
    assert lesion.margin == float("inf")


def test_patient_in_two_splits(tmp_path):
    with pytest.raises(ValueError, match="is in two splits, train and test"):
        read(tmp_path, row(A, 8, 1), row("000001_02_01", 8, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"File_name\nx\n", "no column Bounding_boxes, Coarse"),
        (b"\xff\xfe\x00", "not a UTF-8 CSV"),
        (b"", "no column"),
        (None, "no such file"),
    ],
)
def test_file_that_is_no_table(tmp_path, content, message):
    path = tmp_path / "DL_info.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(path)


def test_rows_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(deeplesion_table, "_MAX_ROWS", 2)
    rows = [row(f"00000{i}_01_01", 8, 1) for i in range(3)]
    assert len(read(tmp_path, *rows[:2])[0]) == 2
    with pytest.raises(ValueError, match=r"DL_info\.csv: more than 2 rows"):
        read(tmp_path, *rows)
