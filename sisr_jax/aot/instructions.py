"""The text of a compiled program: HLO, as XLA prints it, line by line."""

import functools
import math
import re
from typing import NamedTuple

_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<rest>.*)")
_CALLED = re.compile(
    r"(?:body|to_apply|calls|called_computations|branch_computations|"
    r"true_computation|false_computation)=\{?(%[\w.\-]+(?:, %[\w.\-]+)*)"
)
_ARRAY = re.compile(r"([a-z]+\w*)\[([\d,]*)\]")
# Element types whose names do not end with their number of bits.
_BITS = {"pred": 8}
# What the compiler writes as the cycles of operations that it cannot judge.
_NO_ESTIMATE = 2**62


class Instruction(NamedTuple):
    """One operation.

    Attributes:
        name: Its name in the text.
        opcode: What it does, for instance `fusion` or `while`.
        shape: Text of the type of its result.
        text: The whole line.
    """

    name: str
    opcode: str
    shape: str
    text: str

    @property
    def cycles(self) -> int | None:
        """The compiler's estimate, where it has one."""
        cycles = _number(r'"estimated_cycles":"?(\d+)', self.text)
        return None if cycles is None or cycles >= _NO_ESTIMATE else cycles

    @property
    def called(self) -> list[str]:
        """Names of the computations inside it, conditions of loops excepted."""
        names = ", ".join(_CALLED.findall(self.text))
        return [name.strip().lstrip("%") for name in names.split(",") if name]

    @property
    def trips(self) -> int | None:
        """How often a loop runs, where the compiler says so."""
        return _number(r'"known_trip_count":\{"n":"(\d+)"', self.text)

    @property
    def condition(self) -> str:
        """Name of the computation that ends a loop."""
        match = re.search(r"condition=%?([\w.\-]+)", self.text)
        return match[1] if match else ""

    @property
    def constant(self) -> int | None:
        """The value of a whole number."""
        return _number(r"constant\((\d+)\)", self.text)

    @property
    def op_name(self) -> str:
        """Where it comes from in the traced functions."""
        match = re.search(r'op_name="([^"]*)"', self.text)
        return match[1] if match else ""

    @property
    def operands(self) -> list[str]:
        """Names of what it is applied to."""
        start = self.text.index(f" {self.opcode}(") + len(self.opcode) + 2
        inside = self.text[start : self.text.index(")", start)]
        return re.findall(r"%([\w.\-]+)", inside)

    @property
    def result_bytes(self) -> int:
        """Size of what it computes."""
        sizes = [
            math.ceil(_bits(kind) * math.prod(map(int, dims.split(","))) / 8)
            if dims
            else math.ceil(_bits(kind) / 8)
            for kind, dims in re.findall(_ARRAY, self.shape)
        ]
        # The start of any collective but a sum returns its operand, too, and so do
        # those of copies, of which a slice is smaller than what it is cut from.
        if self.opcode == "slice-start":
            return sizes[1]
        if self.opcode.endswith("-start") and not self.opcode.startswith("all-reduce"):
            return max(sizes)
        return sum(sizes)


class Sources(NamedTuple):
    """Lines of code that operations come from: in tables, or in each operation.

    Attributes:
        files: Names by number.
        locations: Numbers of a file and of a line, by number.
        frames: Numbers of a location and of the calling frame, by number.
    """

    files: dict[int, str]
    locations: dict[int, tuple[int, int]]
    frames: dict[int, tuple[int, int]]

    def find(self, text: str) -> str:
        """File and line, the innermost of the package if there is any."""
        places = self.places(text)
        ours = [place for place in places if place.startswith("sisr_jax/")]
        return next(iter(ours or places), "")

    def places(self, text: str) -> list[str]:
        """File and line of an operation and of all calls around it, innermost first."""
        inline = re.search(r'source_file="([^"]*)"(?: source_line=(\d+))?', text)
        if inline:
            return [f"{_shorten(inline[1])}:{inline[2] or '?'}"]
        frame = _number(r"stack_frame_id=(\d+)", text) or 0
        places = []
        while frame in self.frames:
            location, frame = self.frames[frame]
            file, line = self.locations.get(location, (0, 0))
            places.append(f"{_shorten(self.files.get(file, '?'))}:{line}")
        return places


def dimensions(shape: str) -> list[int]:
    """Sizes along the axes of the first array in the text of a type."""
    match = _ARRAY.search(shape)
    return [int(size) for size in match[2].split(",") if size] if match else []


def read_computations(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """Instructions by the name of their computation, and the name of the entry."""
    computations: dict[str, list[Instruction]] = {}
    current, entry = "", ""
    for line in text.splitlines():
        if line.endswith("{") and not line.startswith(" ") and "->" in line:
            current = line.removeprefix("ENTRY ").split()[0].lstrip("%")
            current = current.split("(")[0]
            entry = current if line.startswith("ENTRY ") else entry
            computations[current] = []
        elif current and (match := _INSTRUCTION.match(line)):
            shape, rest = _split_type(match["rest"])
            opcode = rest.split("(")[0].strip()
            computations[current].append(
                Instruction(match["name"], opcode, shape, line)
            )
    return computations, entry


def _split_type(text: str) -> tuple[str, str]:
    """Separates the type, which may be a tuple in parentheses, from the rest."""
    depth = 0
    for position, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == " " and depth == 0:
            return text[:position], text[position + 1 :]
    return text, ""


def read_sources(text: str) -> Sources:
    """The tables at the head of the text; empty ones if there are none."""
    files = re.findall(r'^(\d+) "([^"]*)"$', text, re.MULTILINE)
    locations = re.findall(
        r"^(\d+) \{file_name_id=(\d+).*? line=(\d+)", text, re.MULTILINE
    )
    frames = re.findall(
        r"^(\d+) \{file_location_id=(\d+)(?: parent_frame_id=(\d+))?\}",
        text,
        re.MULTILINE,
    )
    return Sources(
        # Names of functions stand in a table of the same form after that of files.
        {int(key): name for key, name in reversed(files)},
        {int(key): (int(file), int(line)) for key, file, line in locations},
        # Frames count their parents from one, and none is zero.
        {int(key): (int(at), int(up or 1) - 1) for key, at, up in frames},
    )


@functools.cache
def _bits(kind: str) -> int:
    """Of an element type: `bf16`, `f32`, `u4`, `f8e4m3fn`."""
    return _BITS.get(kind) or int((re.findall(r"\d+", kind) or ["0"])[0])


def _shorten(path: str) -> str:
    """The path from the package on, or the last two parts."""
    parts = path.split("/")
    if "sisr_jax" in parts:
        return "/".join(parts[len(parts) - 1 - parts[::-1].index("sisr_jax") :])
    return "/".join(parts[-2:])


def _number(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return int(match[1]) if match else None
