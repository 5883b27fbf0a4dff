"""What a value may be, as part of its type: `Annotated[int, Range(1, 64)]`.

Every number of a configuration has a range. It ends where a value would be a mistake (a
learning rate above 1) or something downstream overflows (steps are counted in 32 bits).
"""

import dataclasses
from collections.abc import Iterable
from typing import Annotated


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`.

    Attributes:
        low: The least, itself included unless `above`.
        high: The greatest, itself included unless `below`.
        above: Whether `low` itself is left out.
        below: Whether `high` itself is left out.
    """

    low: float
    high: float
    above: bool = False
    below: bool = False

    def __contains__(self, number: float) -> bool:
        """Whether a number lies in the range; NaN lies in none."""
        return (
            self.low <= number <= self.high
            and not (self.above and number == self.low)
            and not (self.below and number == self.high)
        )

    def __str__(self) -> str:
        """The range in words, as errors and `python -m sisr_jax.config` say it."""
        low, high = f"{self.low:,.10g}", f"{self.high:,.10g}"
        if not (self.above or self.below):
            return f"{low} to {high}"
        start = f"above {low}" if self.above else f"{low} or more"
        return f"{start}, {'below' if self.below else 'at most'} {high}"


@dataclasses.dataclass(frozen=True, eq=False)
class Names:
    """Names that something has, which may become more while a program runs.

    Attributes:
        known: For instance the dictionary that they are keys of.
    """

    known: Iterable[str]

    def __contains__(self, name: str) -> bool:
        """Whether it is one of the names."""
        return name in list(self.known)

    def __str__(self) -> str:
        """The names, as errors and `python -m sisr_jax.config` say it."""
        return f"one of {', '.join(map(repr, self.known)) or 'none, as there are none'}"


Count = Annotated[int, Range(1, 10**9)]
# Each of them is named once when a run is prepared.
Phantoms = Annotated[int, Range(1, 10**6)]
# Three phases of so many steps are still a 32-bit integer.
Steps = Annotated[int, Range(0, 5 * 10**8)]
Pixels = Annotated[int, Range(1, 2**16)]
BatchSize = Annotated[int, Range(1, 2**20)]
Weight = Annotated[float, Range(0, 1e6)]
Decay = Annotated[float, Range(0, 1, below=True)]
Fraction = Annotated[float, Range(0, 1)]
# Physical values: HU, dB, grey levels or counts, told apart in float32.
Intensity = Annotated[float, Range(-1e9, 1e9)]
