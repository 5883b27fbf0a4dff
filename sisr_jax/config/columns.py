"""What the sections about missing columns have in common."""

import dataclasses
from typing import Annotated, ClassVar, Self

from sisr_jax.config.checks import check
from sisr_jax.config.data import Data
from sisr_jax.config.ranges import Range
from sisr_jax.config.scans import Factor


@dataclasses.dataclass(frozen=True, kw_only=True)
class KeptColumns:
    """Every `factor`-th column is kept.

    Attributes:
        kind: Which degradation.
        factor: Every how many-th.
        offset: Index of the first that is kept.
    """

    kind: str
    factor: Factor
    offset: Annotated[int, Range(0, 2**16)]
    of_square: ClassVar[bool] = False

    @property
    def width_factor(self) -> int:
        """Columns of the image for each of the first estimate."""
        return self.factor

    @property
    def side_information(self) -> str:
        """What a measurement has beyond what an image explains: nothing."""
        return ""

    def last_kept(self, width: int) -> int:
        """Index of the last column that is kept of so many; negative without one."""
        return self.offset + (width - 1 - self.offset) // self.factor * self.factor

    def every(self, factor: int) -> Self:
        """Every so many-th column, from the same first one on.

        Raises:
            ConfigError: If that column is not among the first so many.
        """
        least = self.offset + 1
        check(factor >= least, "degradation.factor", factor, f"at least {least}")
        return dataclasses.replace(self, factor=factor)

    def check(self, data: Data) -> None:
        """Raises ConfigError for values that do not go with the images."""
        factor, offset = self.factor, self.offset
        check(
            0 <= offset < factor,
            "degradation.offset",
            offset,
            f"0 <= offset < {factor}",
        )
        for name in ("shape", "patch"):
            size = getattr(data, name)
            check(
                size[1] % factor == 0,
                f"data.{name}",
                size,
                f"a width that degradation.factor = {factor} divides",
            )
