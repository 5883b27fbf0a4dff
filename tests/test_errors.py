"""What messages take over from the errors of libraries."""

import pytest

from sisr_jax.errors import one_line


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (ValueError("no such thing"), "no such thing"),
        (ValueError("first\n  second\t third "), "first second third"),
        (ValueError("a\x1b[2Jb\u202ec\udc80"), "a?[2Jb?c?"),
        (ValueError(), "ValueError"),
        (ValueError("\n"), "ValueError"),
        ("text", "text"),
        (ValueError("x" * 4000), "x" * 200 + " ..."),
    ],
)
def test_one_line(cause, expected):
    assert one_line(cause) == expected
