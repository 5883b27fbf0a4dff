"""Words for what failed."""

import pytest

from sisr_jax.storage.failures import describe


@pytest.mark.parametrize(
    ("place", "words"),
    [("gs://bucket/run", "no such bucket or object"), ("/disk/run", "it is gone")],
)
def test_only_of_a_bucket_it_is_said_that_there_is_none(place, words):
    assert describe(FileNotFoundError("it is gone"), f"{place}: reading") == words
