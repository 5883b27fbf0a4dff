"""DL_info.csv of DeepLesion: one row a lesion, checked and as numbers.

Yan et al., "DeepLesion: automated mining of large-scale lesion annotations and
universal lesion detection with deep learning", J. Med. Imaging 5(3), 2018. The
columns hold quoted lists ("0.7, 0.7, 5"); units are pixels, mm and HU. The split
(column Train_Val_Test: 1, 2, 3) is by patient.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path

from sisr_jax.data.csv_rows import read_csv_rows
from sisr_jax.data.plan import Skip
from sisr_jax.errors import InputError

SIZE = 512
# In-plane pixel spacing above this, slice spacing inside these bounds (mm): the
# selection of the original project's data set.
MIN_PIXEL_SPACING = 0.6
SLICE_SPACING = (1.0, 6.0)

_SPLITS = {1: "train", 2: "validation", 3: "test"}
_FILE = re.compile(r"(\d{1,9}_\d{1,9}_\d{1,9})_(\d{1,6})\.png")
_MAX_RANGE = 10_000
# The published table has 32,735.
_MAX_ROWS = 2**16
_LARGEST = 1e6
_OLDEST = 150
_COLUMNS = frozenset(
    {
        "File_name",
        "Patient_index",
        "Key_slice_index",
        "Measurement_coordinates",
        "Bounding_boxes",
        "Lesion_diameters_Pixel_",
        "Normalized_lesion_location",
        "Coarse_lesion_type",
        "Possibly_noisy",
        "Slice_range",
        "Spacing_mm_px_",
        "Image_size",
        "DICOM_windows",
        "Patient_gender",
        "Patient_age",
        "Train_Val_Test",
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lesion:
    """One row.

    Attributes:
        folder: Series, as its folder is called (patient, study, series).
        key: Index of the key slice, as in its file name.
        patient: Index of the patient.
        split: `train`, `validation` or `test`.
        box: x and y of the first and the last corner, inside the image.
        measurement: x and y of the four ends of the long and short diameter.
        diameters: Long and short, in pixels.
        location: Relative position in the body.
        lesion_type: 1 to 8, -1 unknown.
        noisy: Flagged as possibly noisy.
        slice_range: First and last slice around the key slice that was published.
        spacing: x, y and z in mm.
        size: Height and width of the image.
        window: Lower and upper HU the radiologist looked at.
        gender: 1 male, 0 female, -1 unknown.
        age: In years, -1 unknown.
    """

    folder: str
    key: int
    patient: int
    split: str
    box: tuple[float, ...]
    measurement: tuple[float, ...]
    diameters: tuple[float, ...]
    location: tuple[float, ...]
    lesion_type: int
    noisy: bool
    slice_range: tuple[int, int]
    spacing: tuple[float, ...]
    size: tuple[int, int]
    window: tuple[float, ...]
    gender: int
    age: int

    @property
    def file(self) -> str:
        """Name of the key slice in the table."""
        return slice_name(self.folder, self.key)

    @property
    def margin(self) -> float:
        """Slices on both sides of the key slice that may show the lesion.

        The long diameter as a depth; infinite when the spacing says nothing.
        """
        depth = max(self.diameters) * max(self.spacing[:2])
        if not (self.spacing[2] > 0 and math.isfinite(depth)):
            return math.inf
        return math.ceil(depth / self.spacing[2])

    def reason_to_skip(self, *, keep_noisy: bool) -> Skip | None:
        """Why the selection leaves the lesion out, or None.

        Args:
            keep_noisy: Whether possibly noisy annotations are taken.
        """
        *plane, between = self.spacing
        if self.size != (SIZE, SIZE):
            detail = f"{self.size[0]}x{self.size[1]}"
            return Skip(self.file, f"image is not {SIZE}x{SIZE}", detail)
        if self.noisy and not keep_noisy:
            return Skip(self.file, "possibly noisy", "")
        if not min(plane) > MIN_PIXEL_SPACING:
            reason = f"pixel spacing not above {MIN_PIXEL_SPACING} mm"
            return Skip(self.file, reason, f"{min(plane):g} mm")
        if not SLICE_SPACING[0] <= between <= SLICE_SPACING[1]:
            low, high = SLICE_SPACING
            reason = f"slice spacing not in {low:g} to {high:g} mm"
            return Skip(self.file, reason, f"{between:g} mm")
        return None


def slice_name(folder: str, index: int) -> str:
    """What the table calls a slice: `000001_02_01_008.png`."""
    return f"{folder}_{index:03d}.png"


def read_table(path: Path) -> tuple[list[Lesion], list[Skip], set[str]]:
    """Reads the rows.

    Args:
        path: DL_info.csv.

    Returns:
        The lesions in the order of the file, the rows left out (unreadable, or
        equal to an earlier one), and the folders of unreadable rows: where their
        lesion is, is not known.

    Raises:
        InputError: If the file is not such a table, or has a patient in two splits.
    """
    lesions: dict[Lesion, None] = {}
    skips, unknown = [], set()
    for line, row in read_csv_rows(path, columns=_COLUMNS, max_rows=_MAX_ROWS):
        item = f"{path.name}, line {line}"
        try:
            lesion = _parse(row)
        except (ValueError, OverflowError) as error:
            skips.append(Skip(item, "unreadable row", str(error)))
            found = _FILE.fullmatch(row["File_name"].strip())
            if found:
                unknown.add(found[1])
            continue
        if lesion in lesions:
            skips.append(Skip(item, "duplicate row", lesion.file))
        lesions[lesion] = None
    splits: dict[int, str] = {}
    for lesion in lesions:
        first = splits.setdefault(lesion.patient, lesion.split)
        if first != lesion.split:
            raise InputError(
                f"{path}: the patient of {lesion.file} is in two splits, {first} and "
                f"{lesion.split}"
            )
    return list(lesions), skips, unknown


def _parse(row: Mapping[str, str]) -> Lesion:
    name = row["File_name"].strip()
    found = _FILE.fullmatch(name)
    if not found:
        raise ValueError(f"File_name {name!r}, expected like 000001_01_01_109.png")
    folder, key = found[1], int(found[2])
    patient = _integer(row, "Patient_index")
    if patient != int(folder.split("_")[0]) or key != _integer(row, "Key_slice_index"):
        raise ValueError(f"Patient_index or Key_slice_index do not agree with {name}")
    split = _integer(row, "Train_Val_Test")
    if split not in _SPLITS:
        raise ValueError(f"Train_Val_Test {split}, expected 1, 2 or 3")
    low, high = (int(x) for x in _numbers(row, "Slice_range", 2))
    if not low <= key <= high or high - low > _MAX_RANGE:
        raise ValueError(f"Slice_range {low}, {high} around key slice {key}")
    width, height = (int(x) for x in _numbers(row, "Image_size", 2))
    left, top, right, bottom = _numbers(row, "Bounding_boxes", 4)
    left, right = (min(max(x, 0.0), width) for x in (left, right))
    top, bottom = (min(max(y, 0.0), height) for y in (top, bottom))
    if not (left < right and top < bottom):
        raise ValueError(f"Bounding_boxes {row['Bounding_boxes']!r}: no area")
    lesion_type = _integer(row, "Coarse_lesion_type")
    if not -1 <= lesion_type <= 8:
        raise ValueError(f"Coarse_lesion_type {lesion_type}, expected -1 to 8")
    return Lesion(
        folder=folder,
        key=key,
        patient=patient,
        split=_SPLITS[split],
        box=(left, top, right, bottom),
        measurement=_numbers(row, "Measurement_coordinates", 8),
        diameters=_numbers(row, "Lesion_diameters_Pixel_", 2),
        location=_numbers(row, "Normalized_lesion_location", 3),
        lesion_type=lesion_type,
        noisy=_integer(row, "Possibly_noisy") != 0,
        slice_range=(low, high),
        spacing=_numbers(row, "Spacing_mm_px_", 3),
        size=(height, width),
        window=_numbers(row, "DICOM_windows", 2),
        gender={"M": 1, "F": 0}.get(row["Patient_gender"].strip(), -1),
        age=_age(row["Patient_age"]),
    )


def _age(text: str) -> int:
    try:
        age = float(text)
    except ValueError:
        return -1
    return int(age) if 0 <= age <= _OLDEST else -1


def _numbers(row: Mapping[str, str], column: str, count: int) -> tuple[float, ...]:
    values = tuple(float(part) for part in row[column].split(","))
    if len(values) != count or not all(abs(value) < _LARGEST for value in values):
        raise ValueError(f"{column} {row[column]!r}, expected {count} numbers")
    return values


def _integer(row: Mapping[str, str], column: str) -> int:
    return int(_numbers(row, column, 1)[0])
