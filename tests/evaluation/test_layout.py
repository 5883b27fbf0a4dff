import math

import pytest

from sisr_jax.evaluation.layout import (
    format_details,
    format_markdown,
    format_side_by_side,
    format_table,
)
from sisr_jax.evaluation.statistics import Interval
from sisr_jax.evaluation.table import Row

NONE = Interval(math.nan, math.nan)


def row(method, psnr, p_value=math.nan, protocol="seed-ct-x4-1", **more):
    span = Interval(psnr - 1, psnr + 1)
    return Row(
        method, protocol, 9, 3, psnr, span, 0.5, Interval(0.4, 0.6), p_value, 0, more
    )


ROWS = [row("Hann FBP", 21.5, rmse=12.346), row("TV", 30.5, 0.015625, rmse=3.0)]


def test_text_table_is_aligned():
    assert format_table(ROWS) == (
        "seed-ct-x4-1  images  patients  PSNR [dB]            95 %    SSIM"
        "            95 %      p\n"
        "------------  ------  --------  ---------  --------------  ------"
        "  --------------  -----\n"
        "Hann FBP           9         3      21.50  20.50 to 22.50  0.5000"
        "  0.400 to 0.600\n"
        "TV                 9         3      30.50  29.50 to 31.50  0.5000"
        "  0.400 to 0.600  0.016\n"
        "95 %: bootstrap over patients; p: Wilcoxon over patients, PSNR against "
        "Hann FBP"
    )


def test_markdown_tables_carry_the_protocol():
    lines = format_markdown(ROWS).splitlines()
    assert lines[0].startswith("| seed-ct-x4-1 | images | patients | PSNR [dB] |")
    assert lines[1].startswith("| ------------ | -----: |")
    assert "| 0.016 |" in lines[3]
    assert len({len(line) for line in lines[:4]}) == 1
    assert format_details(ROWS).splitlines() == [
        "| seed-ct-x4-1 |  rmse |",
        "| ------------ | ----: |",
        "| Hann FBP     | 12.35 |",
        "| TV           |     3 |",
    ]


def test_side_by_side():
    other = [row("TV", 10.0, protocol="physical-ct-x4-2")]
    assert format_side_by_side([ROWS, other]).splitlines() == [
        "| method   |  seed-ct-x4-1 | physical-ct-x4-2 |",
        "| -------- | ------------: | ---------------: |",
        "| Hann FBP | 21.50 / 0.500 |                  |",
        "| TV       | 30.50 / 0.500 |    10.00 / 0.500 |",
    ]


def test_one_table_is_one_protocol():
    with pytest.raises(ValueError, match="rows of a, b: expected one protocol"):
        format_table([row("TV", 1.0, protocol="a"), row("TV", 1.0, protocol="b")])


def test_what_is_not_known_is_blank_and_what_is_not_a_number_is_shown():
    alone = row("TV", math.nan)._replace(psnr_interval=NONE, ssim_interval=NONE)
    text = format_table([alone])
    assert text.splitlines()[-1].split() == ["TV", "9", "3", "nan", "0.5000"]
    assert format_details([row("TV", 1.0, rmse=math.nan)]).splitlines()[2] == (
        "| TV           |      |"
    )


def test_an_infinite_mean_is_explained():
    exact = row("TV", math.inf)._replace(num_exact=2)
    for text in (format_table([exact]), format_markdown([exact])):
        assert "TV: PSNR is infinite for 2 of 9 images" in text
        assert " inf " in text
