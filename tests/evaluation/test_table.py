import csv
import math

import pytest

from sisr_jax.errors import InputError
from sisr_jax.evaluation.statistics import bootstrap_interval
from sisr_jax.evaluation.table import Score, read_csv, summarise, write_csv, write_rows

ID = "physical-ct-x16-abcdef"


def score(method, image, psnr, ssim=0.5, patient="1", protocol=ID, **more):
    return Score(method, image, psnr, ssim, more, patient, protocol)


SCORES = [
    score("Sparse FBP", "a.png", 20.0, 0.5, "1", rmse=9.0),
    score("Sparse FBP", "b.png", 23.0, 0.6, "2", rmse=7.0),
    score("SRResNet", "a.png", 30.0, 0.9, "1", rmse=3.0),
    score("SRResNet", "b.png", 31.0, 0.8, "2", rmse=math.nan),
]
EXACT = [*SCORES, score("SRResNet", "c, d.png", math.inf, 1.0, "2", rmse=0.0)]


def test_means_by_method_in_first_seen_order():
    first, second = summarise(SCORES, reference="Sparse FBP")
    assert (first.method, first.num_images, first.num_patients) == ("Sparse FBP", 2, 2)
    assert (first.psnr, first.ssim, first.more) == (21.5, 0.55, {"rmse": 8.0})
    assert first.psnr_interval == bootstrap_interval([20.0, 23.0], ["1", "2"])
    assert first.ssim_interval == bootstrap_interval([0.5, 0.6], ["1", "2"])
    assert math.isnan(first.p_value)
    assert second.method == "SRResNet"
    # Two patients, both better: half of the four assignments of signs.
    assert second.p_value == pytest.approx(0.5)
    # An empty mask is left out of the mean.
    assert second.more == {"rmse": 3.0}
    assert summarise([]) == []


def test_patients_are_counted_and_not_images():
    rows = summarise([score("A", f"{i}.png", i, patient="7") for i in range(5)])
    assert (rows[0].num_images, rows[0].num_patients) == (5, 1)
    assert math.isnan(rows[0].psnr_interval.low)


def test_protocols_are_never_averaged_together():
    other = score("Sparse FBP", "a.png", 9.0, protocol="original-ct-x16-123456")
    rows = summarise([*SCORES, other])
    assert [row.protocol for row in rows] == [ID, ID, other.protocol]
    assert rows[2].psnr == 9.0


def test_an_exact_image_is_neither_dropped_nor_hidden():
    row = summarise(EXACT)[1]
    assert (row.psnr, row.num_images, row.num_exact) == (math.inf, 3, 1)


def test_reference_has_the_same_images():
    with pytest.raises(ValueError, match="SRResNet and Sparse FBP: expected scores of"):
        summarise(EXACT, reference="Sparse FBP")
    with pytest.raises(ValueError, match="Sparse FBP and TV: expected scores of"):
        summarise(SCORES, reference="TV")


def test_csv_reads_back_exactly_and_replaces_the_file(tmp_path):
    path = tmp_path / "per_image.csv"
    path.write_text("old")
    write_csv(path, [*EXACT, score("A", "x", 1 / 3, residual=0.1)])
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:4] == ["method", "image", "psnr", "ssim"]
    assert list(rows[0])[4:] == ["rmse", "residual", "patient", "protocol"]
    for row, each in zip(rows, EXACT, strict=False):
        assert (row["method"], row["image"]) == each[:2]
        assert (float(row["psnr"]), float(row["ssim"])) == each[2:4]
        assert (row["patient"], row["protocol"]) == each[5:]
        assert row["residual"] == ""
    assert float(rows[-1]["psnr"]) == 1 / 3
    assert [file.name for file in tmp_path.iterdir()] == ["per_image.csv"]


def test_rows_as_csv(tmp_path):
    write_rows(tmp_path / "table.csv", summarise(SCORES, reference="Sparse FBP"))
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["protocol"] for row in rows] == [ID, ID]
    assert rows[0]["method"] == "Sparse FBP"
    assert float(rows[0]["psnr"]) == 21.5
    assert (float(rows[0]["psnr_low"]), float(rows[0]["psnr_high"])) == (20.0, 23.0)
    assert rows[0]["p_value"] == "nan"
    assert float(rows[1]["p_value"]) == pytest.approx(0.5)


def test_scores_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "per_image.csv"
    others = [score("A", "x", 1 / 3, protocol="original-ct-x16-abcdef", residual=1e-9)]
    write_csv(path, [*EXACT, *others])
    read = read_csv(path)
    assert repr(read) == repr([*EXACT, *others])  # NaN equals nothing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("patient", "who", 1), "no column patient"),
        (lambda text: text.replace("20.0", "twenty"), "line 2: .*twenty"),
        (lambda text: text.replace("20.0", ""), "line 2: 'psnr'"),
        (lambda text: text.replace("rmse", "psnr", 1), "1 names of columns are given"),
    ],
)
def test_a_file_that_is_no_table_of_scores(tmp_path, change, message):
    path = tmp_path / "scores.csv"
    write_csv(path, SCORES)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=rf"scores\.csv.*{message}"):
        read_csv(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00,\n", b'"' + b"x" * 200_000])
def test_scores_that_are_no_csv_are_one_line(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.csv: (not a UTF-8 CSV|no column)"):
        read_csv(tmp_path / "a.csv")


def test_a_folder_or_pipe_is_no_table_of_scores(tmp_path):
    (tmp_path / "a.csv").mkdir()  # reading a pipe would wait for ever
    with pytest.raises(InputError, match=r"a\.csv: a folder, pipe"):
        read_csv(tmp_path / "a.csv")


def test_a_mean_is_of_what_a_number_was_measured_of():
    known = score("A", "1.png", 20.0, residual=0.5)
    (row,) = summarise([score("A", "0.png", 20.0), known, score("A", "2.png", 20.0)])
    assert row.more == {"residual": 0.5}
