import pytest

from sisr_jax.data import csv_rows
from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.errors import InputError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.csv"


def test_rows_by_column(path):
    path.write_bytes(b'\xef\xbb\xbfa,b,c\r\n1,"x\ny",3\r\n4\r\n5,6,7,8\r\n')
    rows = read_csv_rows(path, columns=("a", "c"))
    assert rows == [
        (3, {"a": "1", "b": "x\ny", "c": "3"}),
        (4, {"a": "4", "b": "", "c": ""}),
        (5, {"a": "5", "b": "6", "c": "7"}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column a, c"),
        (b"a,b\n1,2\n", "no column c"),
        (b"a,c\n\xff,1\n", "not a UTF-8 CSV file"),
        (b"a,c\n" + b"x" * 200_000, "not a UTF-8 CSV file"),
        (None, "no such file"),
    ],
)
def test_what_is_no_table(path, content, message):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_csv_rows(path, columns=("a", "c"))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_size_is_bounded(path, monkeypatch):
    path.write_text("a\n1\n")
    monkeypatch.setattr(csv_rows, "MAX_BYTES", 3)
    with pytest.raises(InputError, match="4 bytes, expected a table of at most 3"):
        read_csv_rows(path, columns=())
