"""The records of a dataset before any of them is made, and what was left out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Skip(NamedTuple):
    """Something that was left out, wholly or in part, and why.

    Attributes:
        item: File, or line of a CSV.
        reason: One of a few fixed phrases, for counting.
        detail: What exactly, or empty.
    """

    item: str
    reason: str
    detail: str


class Planned(NamedTuple):
    """A record to be.

    Attributes:
        key: Unique name.
        make: Reads the files; returns one value for each feature, or raises
            InputError, upon which the record is skipped.
    """

    key: str
    make: Callable[[], dict[str, Any]]


class Plan(NamedTuple):
    """All records of a dataset in order, and what was left out beforehand.

    Attributes:
        splits: Records of each split.
        skips: What the selection left out.
        options: What the content of a record depends on, beside its key.
    """

    splits: Mapping[str, Sequence[Planned]]
    skips: Sequence[Skip]
    options: str
