import csv
import math

import pytest

from sisr_jax.evaluation.table import (
    Row,
    Score,
    format_markdown,
    format_table,
    summarise,
    write_csv,
)

SCORES = [
    Score("Sparse FBP", "a.png", 20.0, 0.5),
    Score("SRResNet", "a.png", 30.0, 0.9),
    Score("Sparse FBP", "b.png", 23.0, 0.6),
    Score("SRResNet", "b.png", 31.0, 0.8),
]
EXACT = [*SCORES, Score("SRResNet", "c, d.png", math.inf, 1.0)]


def test_means_by_method_in_first_seen_order():
    assert summarise(SCORES) == [
        Row("Sparse FBP", 2, 21.5, pytest.approx(0.55), 0),
        Row("SRResNet", 2, 30.5, pytest.approx(0.85), 0),
    ]
    assert summarise([]) == []


def test_an_exact_image_is_neither_dropped_nor_hidden():
    row = summarise(EXACT)[1]
    assert (row.psnr, row.num_images, row.num_exact) == (math.inf, 3, 1)
    note = "SRResNet: PSNR is infinite for 1 of 3 images"
    for text in (format_table(summarise(EXACT)), format_markdown(summarise(EXACT))):
        assert note in text
        assert " inf " in text
    assert "infinite" not in format_table(summarise(SCORES))


def test_nan_is_shown():
    rows = summarise([*SCORES, Score("SRResNet", "c.png", math.nan, math.nan)])
    assert format_table(rows).splitlines()[-1].split() == [
        "SRResNet",
        "3",
        "nan",
        "nan",
    ]


def test_text_table_is_aligned():
    assert format_table(summarise(SCORES)) == (
        "method      images  PSNR [dB]    SSIM\n"
        "----------  ------  ---------  ------\n"
        "Sparse FBP       2      21.50  0.5500\n"
        "SRResNet         2      30.50  0.8500"
    )


def test_markdown_table():
    assert format_markdown(summarise(SCORES)) == (
        "| method     | images | PSNR [dB] |   SSIM |\n"
        "| ---------- | -----: | --------: | -----: |\n"
        "| Sparse FBP |      2 |     21.50 | 0.5500 |\n"
        "| SRResNet   |      2 |     30.50 | 0.8500 |\n"
    )


def test_csv_reads_back_exactly_and_replaces_the_file(tmp_path):
    path = tmp_path / "per_image.csv"
    path.write_text("old")
    write_csv(path, EXACT)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["method", "image", "psnr", "ssim"]
    read = [
        Score(r["method"], r["image"], float(r["psnr"]), float(r["ssim"])) for r in rows
    ]
    assert read == EXACT
    assert [file.name for file in tmp_path.iterdir()] == ["per_image.csv"]
