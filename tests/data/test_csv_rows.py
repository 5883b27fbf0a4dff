import tracemalloc

import pytest

from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.errors import InputError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.csv"


def test_rows_by_column(path):
    path.write_bytes(
        b'\xef\xbb\xbfa,d,b,d,c\r\n1,d,"x\ny",d,3\r\n\r\n4\r\n5,d,6,d,7,8\r\n'
    )
    rows = list(read_csv_rows(path, columns=("c", "a"), optional=("b", "e")))
    assert rows == [
        (3, {"a": "1", "b": "x\ny", "c": "3"}),
        (5, {"a": "4", "b": "", "c": ""}),
        (6, {"a": "5", "b": "6", "c": "7"}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no column a, c"),
        (b"a,b\n1,2\n", "no column c; found 'a, b'"),
        (b"a;c\n1;2\n", "no column a, c; found 'a;c'"),
        (b"x," * 9999 + b"a\n1\n", "no column c; found '(x, )*x?...."),
        (b"a,c,a\n1,2,3\n", "2 columns 'a', expected one"),
        (b"a,c,d,d,d\n1,2\n", "3 columns 'd', expected one"),
        (b"a,c\n\xff,1\n", "not a UTF-8 CSV file"),
        (b"a,c\n" + b"x" * 200_000, "not a UTF-8 CSV file"),
        (None, "no such file"),
    ],
)
def test_what_is_no_table(path, content, message):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        list(read_csv_rows(path, columns=("a", "c"), optional=("d",)))
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_size_is_bounded(path):
    path.write_text("a\n1\n")
    assert len(list(read_csv_rows(path, columns=(), max_bytes=4))) == 1
    with pytest.raises(InputError, match="4 bytes, expected a table of at most 3"):
        list(read_csv_rows(path, columns=(), max_bytes=3))


def test_rows_are_bounded(path):
    path.write_text("a\n1\n2\n")
    assert len(list(read_csv_rows(path, columns=("a",), max_rows=2))) == 2
    with pytest.raises(InputError, match=r"a\.csv: more than 1 rows"):
        list(read_csv_rows(path, columns=("a",), max_rows=1))


def test_columns_that_nobody_wants_take_no_memory(path):
    path.write_text("a," + ",".join(f"x{i}" for i in range(2000)) + "\n" + "1\n" * 9999)
    tracemalloc.start()
    rows = [row.cells["a"] for row in read_csv_rows(path, columns=("a",))]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == ["1"] * 9999
    assert peak < 2**21
