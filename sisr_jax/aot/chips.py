"""Chips and their arrangement: what a topology's name says and what a chip can do.

Peak bfloat16 rates, memories and their rates are those of the pages of Google's Cloud
TPU documentation on each chip (cloud.google.com/tpu/docs/v4, v5e, v5p, v6e, "system
architecture"). Clocks: v4 from Jouppi et al. 2023 (ISCA, arXiv:2304.01433, table 4);
v5e from Austin et al. 2025 ("How to scale your model", chapter on TPUs). That of
v5p follows from the peak: eight matrix units of 128 x 128 multiply-adds a cycle. For
v6e the peak and the two units of 256 x 256 of the documentation would mean 3.5 GHz,
but one cycle of the compiler does more than that (369,000 operations in a bfloat16
product of 8192 x 8192 matrices, against 262,144): it counts in cycles of half the
rate, 1.75 GHz. Rates of links, and which axes of a grid are rings, are those of Austin
et al. 2025, the same chapter.
"""

import math
import re
from typing import NamedTuple

from sisr_jax.errors import InputError

GIB = 2**30
_MOST_CHIPS = 256


class Chip(NamedTuple):
    """One kind of chip.

    Attributes:
        peak_flops: bfloat16 operations in a second.
        clock_hz: Cycles in a second.
        hbm_bytes: Memory.
        usable_bytes: What of it the compiler lets a program of one of its devices have,
            as it says when one is too large.
        hbm_rate: Bytes that the memory moves in a second.
        link_rate: Bytes that a link to a neighbour moves in a second, one way.
        ring: An axis of so many chips, or a multiple, is closed to a ring.
        rank: Number of sizes in the name of a topology.
        num_devices: Devices of the compiler on one chip, which share its units and
            its memory. (A v4 in a machine appears as one; libtpu compiles for each
            of its two cores.)
    """

    peak_flops: float
    clock_hz: float
    hbm_bytes: int
    usable_bytes: int
    hbm_rate: float
    link_rate: float
    ring: int
    rank: int
    num_devices: int


def _gib(number: float) -> int:
    return int(number * GIB)


CHIPS = {
    "v4": Chip(
        peak_flops=275e12,
        clock_hz=1.05e9,
        hbm_bytes=32 * GIB,
        usable_bytes=_gib(15.25),
        hbm_rate=1228e9,
        link_rate=45e9,
        ring=4,
        rank=3,
        num_devices=2,
    ),
    "v5e": Chip(
        peak_flops=197e12,
        clock_hz=1.5e9,
        hbm_bytes=16 * GIB,
        usable_bytes=_gib(15.75),
        hbm_rate=819e9,
        link_rate=45e9,
        ring=16,
        rank=2,
        num_devices=1,
    ),
    "v5p": Chip(
        peak_flops=459e12,
        clock_hz=1.75e9,
        hbm_bytes=95 * GIB,
        usable_bytes=_gib(95.74),
        hbm_rate=2765e9,
        link_rate=90e9,
        ring=4,
        rank=3,
        num_devices=1,
    ),
    "v6e": Chip(
        peak_flops=918e12,
        clock_hz=1.75e9,
        hbm_bytes=32 * GIB,
        usable_bytes=_gib(31.25),
        hbm_rate=1640e9,
        link_rate=90e9,
        ring=16,
        rank=2,
        num_devices=1,
    ),
}


class Topology(NamedTuple):
    """Chips of one kind in a grid.

    Attributes:
        chip_name: Key of `CHIPS`.
        shape: Chips along each axis.
    """

    chip_name: str
    shape: tuple[int, ...]

    @property
    def chip(self) -> Chip:
        """What each of the chips can do."""
        return CHIPS[self.chip_name]

    @property
    def num_chips(self) -> int:
        """Number of chips."""
        return math.prod(self.shape)

    @property
    def peak_flops_per_cycle(self) -> float:
        """bfloat16 operations of one device of the compiler in a cycle."""
        return self.chip.peak_flops / self.chip.clock_hz / self.chip.num_devices

    @property
    def hbm_per_device(self) -> int:
        """Memory that one device of the compiler may use, in bytes."""
        return self.chip.usable_bytes

    @property
    def hbm_bytes_per_cycle(self) -> float:
        """What the memory moves for one device of the compiler in a cycle."""
        chip = self.chip
        return chip.hbm_rate / chip.clock_hz / chip.num_devices

    def all_reduce_seconds(self, num_bytes: float) -> float:
        """Least time in which all chips have the sum of an array of each of them.

        A chip sends and receives its part of the others' sums, then the whole sum, by
        all of its links at once: two of a ring, one at the end of a row.

        Args:
            num_bytes: Size of the array.
        """
        links = sum(
            2 if side % self.chip.ring == 0 else 1 for side in self.shape if side > 1
        )
        if not links:
            return 0.0
        others = (self.num_chips - 1) / self.num_chips
        return 2 * num_bytes * others / (links * self.chip.link_rate)

    @property
    def host_bounds(self) -> tuple[int, int, int]:
        """Chips of one host: one, or a square of four."""
        width, height = (min(2, side) for side in self.shape[:2])
        return width, height, 1

    def __str__(self) -> str:
        return f"{self.chip_name}:{'x'.join(map(str, self.shape))}"


def parse_topology(name: str) -> Topology:
    """Reads a name such as `v5e:2x4`.

    Raises:
        InputError: Naming what is accepted.
    """
    match = re.fullmatch(r"(\w+):(\d{1,3}(?:x\d{1,3})*)", name)
    chip = CHIPS.get(match[1]) if match else None
    shape = tuple(map(int, match[2].split("x"))) if match else ()
    if (
        chip is None
        or len(shape) != chip.rank
        or not 1 <= math.prod(shape) <= _MOST_CHIPS
        or not _fills_hosts(shape)
    ):
        raise InputError(
            f"topology {name!r}: expected v5e:AxB, v6e:AxB, v4:AxBxC or v5p:AxBxC "
            f"with 1 to {_MOST_CHIPS} chips: one chip (v5e:1x1, v4:1x1x1), or even "
            "A and B (v5e:2x4, v5p:2x2x1)"
        )
    return Topology(match[1] if match else "", shape)


def _fills_hosts(shape: tuple[int, ...]) -> bool:
    return math.prod(shape) == 1 or all(side % 2 == 0 for side in shape[:2])
