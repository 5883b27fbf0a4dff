"""duke_ultrasound: recordings of a phantom and of people, in beam space.

Huang et al., "MimickNet, mimicking clinical image post-processing under black-box
constraints", IEEE Trans. Med. Imaging 39(6), 2020. `manual_dir` holds the unpacked
archives `phantom_data/` and `mark_data/` and the CSV of each split. A record is one
frame, rows in depth and columns in angle, with the sector it was taken from: sample
(i, j) lies at radius `initial_radius + i * step` and angle `initial_angle + j *
step`, both ends included.
"""

import csv
import dataclasses
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from sisr_jax.data.matlab import read_mat
from sisr_jax.data.records import DUKE, FLOOR_DB, UltrasoundTarget
from sisr_jax.data.shards import Plan, Planned
from sisr_jax.errors import InputError

SPLITS = ("train", "validation", "test", "MARK", "A", "B")

_MAX_SIDE = 2**15
_LARGEST = 1e30  # float32 ends at 3e38
# Feature and its column.
_NUMBERS = {
    "initial_radius": "initial_radius",
    "final_radius": "final_radius",
    "initial_angle": "initial_angle",
    "final_angle": "final_angle",
    "f0_hz": "f0",
    "voltage": "v",
    "focus_cm": "focus_cm",
}
_TEXTS = ("probe", "scanner", "target")
_TRUE = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


@dataclasses.dataclass(kw_only=True)
class DukeConfig(tfds.core.BuilderConfig):
    """Which image a record holds; the name is that of the image.

    Attributes:
        image: `dtce`: what the scanner's own processing made, as stored. `bmode`:
            20 log10 of the IQ magnitude over the frame's maximum, which is kept as
            `reference`; not below `FLOOR_DB`.
    """

    image: UltrasoundTarget = "dtce"


class DukeUltrasound(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """The recordings as images `[depth, angle]` with their polar geometry."""

    name = DUKE
    # The catalogue's builder, with flat arrays, is at 2.0.0.
    VERSION = tfds.core.Version("3.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012  # TFDS declares it as a plain list
        DukeConfig(name="dtce", image="dtce"),
        DukeConfig(name="bmode", image="bmode"),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Unpack the phantom archive into phantom_data/ and the other into mark_data/, "
        "and put train.csv, validation.csv, test.csv (and MARK, A, B) beside them."
    )

    def _info(self) -> Any:
        image = tfds.features.Tensor(
            shape=(None, None), dtype=np.float32, encoding="bytes"
        )
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {"name": tfds.features.Text(), "image": image, "reference": np.float32}
                | dict.fromkeys(_NUMBERS, np.float32)
                | {name: tfds.features.Text() for name in _TEXTS}
                | {"timestamp_id": np.int64, "harmonic": np.bool_}
            ),
            homepage="https://github.com/ouwen/mimicknet",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        config: Any = self.builder_config
        plan = plan_duke(Path(dl_manager.manual_dir), config.image)
        return {
            split: self._generate_examples(planned)
            for split, planned in plan.splits.items()
        }

    def _generate_examples(
        self, planned: Sequence[Planned]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, make in planned:
            yield key, make()


def plan_duke(manual_dir: Path, image: UltrasoundTarget) -> Plan:
    """Plans the records of every split whose CSV is there.

    Args:
        manual_dir: Folder with `phantom_data`, `mark_data` and the CSVs.
        image: See `DukeConfig`.

    Returns:
        Records by split, in the order of the CSV.

    Raises:
        InputError: If there is no CSV, or a row is unusable.
    """
    tables = {split: manual_dir / f"{split}.csv" for split in SPLITS}
    tables = {split: path for split, path in tables.items() if path.is_file()}
    if not tables:
        listing = ", ".join(f"{split}.csv" for split in SPLITS)
        raise InputError(f"{manual_dir}: none of {listing} in this folder")
    splits, content = {}, []
    for split, table in tables.items():
        rows = _read_rows(table)
        content.append(rows)
        splits[split] = [
            Planned(row["name"], functools.partial(_make, row, manual_dir, image))
            for row in rows
        ]
    return Plan(splits, [], f"{image} {content!r}")


def _read_rows(table: Path) -> list[dict[str, Any]]:
    columns = {"filename", "timestamp_id", "harm", "axial_samples", "lateral_samples"}
    columns |= {*_NUMBERS.values(), *_TEXTS}
    rows: dict[str, dict[str, Any]] = {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = columns - set(reader.fieldnames or ())
            if missing:
                raise InputError(f"{table}: no column {', '.join(sorted(missing))}")
            for raw in reader:
                row = _parse(raw, f"{table}, line {reader.line_num}")
                if row["name"] in rows:
                    raise InputError(
                        f"{table}, line {reader.line_num}: {row['name']!r} is listed "
                        "twice"
                    )
                rows[row["name"]] = row
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{table}: not a UTF-8 CSV file ({error})") from error
    if not rows:
        raise InputError(f"{table}: no rows")
    return list(rows.values())


def _parse(raw: Mapping[str, str | None], where: str) -> dict[str, Any]:
    filename = PurePosixPath(raw["filename"] or "")
    if filename.is_absolute() or ".." in filename.parts or not filename.name:
        raise InputError(
            f"{where}: filename {str(filename)!r} is not inside the archive"
        )
    row: dict[str, Any] = {"name": str(filename)}
    try:
        for feature, column in _NUMBERS.items():
            row[feature] = float(raw[column] or "")
            if not abs(row[feature]) < _LARGEST:
                raise ValueError(f"{column} {raw[column]!r}, expected a finite number")
        row["height"] = int(float(raw["axial_samples"] or ""))
        row["width"] = int(float(raw["lateral_samples"] or ""))
        row["timestamp_id"] = int(raw["timestamp_id"] or "")
        row["harmonic"] = _TRUE[(raw["harm"] or "").strip().lower()]
        if not (0 < row["height"] <= _MAX_SIDE and 0 < row["width"] <= _MAX_SIDE):
            raise ValueError(f"{row['height']}x{row['width']} samples")
        if not 0 <= row["timestamp_id"] < 10**14:
            raise ValueError("timestamp_id, expected up to 14 digits")
        if not 0 <= row["initial_radius"] < row["final_radius"]:
            raise ValueError("initial_radius, expected 0 or more, below final_radius")
        if row["initial_angle"] == row["final_angle"]:
            raise ValueError("initial_angle, expected another one than final_angle")
    except (ValueError, OverflowError, KeyError) as error:
        raise InputError(f"{where}: unusable row ({error})") from error
    return row | {name: raw[name] or "" for name in _TEXTS}


def _make(
    row: Mapping[str, Any], manual_dir: Path, target: UltrasoundTarget
) -> dict[str, Any]:
    archive = "mark_data" if row["target"] == "mark" else "phantom_data"
    path = manual_dir / archive / row["name"]
    variable = "dtce" if target == "dtce" else "iq"
    samples = read_mat(path, [variable])[variable]
    shape = (row["height"], row["width"])
    # Either already of this shape, or flat in the order of its rows.
    if samples.shape != shape and (
        max(samples.shape) != samples.size or samples.size != math.prod(shape)
    ):
        raise InputError(
            f"{path}: variable {variable!r} has shape {samples.shape}, expected "
            f"{shape[0]}x{shape[1]} (axial_samples, lateral_samples)"
        )
    samples = samples.reshape(shape)
    with np.errstate(over="ignore"):
        largest = float(np.max(np.abs(samples)))
    if not largest < _LARGEST:
        raise InputError(
            f"{path}: variable {variable!r} has samples that are NaN, infinite or "
            "beyond float32"
        )
    if target == "dtce" and samples.dtype.kind == "c":
        raise InputError(f"{path}: variable 'dtce' is complex, expected real")
    if largest == 0:
        raise InputError(f"{path}: variable {variable!r} is zero everywhere")
    if target == "bmode":
        image, reference = log_magnitude(samples)
    else:
        image, reference = samples.astype(np.float32), 1.0
    kept = {k: v for k, v in row.items() if k not in ("height", "width")}
    return kept | {"image": image, "reference": reference}


def log_magnitude(iq: np.ndarray) -> tuple[np.ndarray, float]:
    """B-mode of beamformed samples in dB.

    Args:
        iq: Complex baseband samples, any shape, not all of them 0.

    Returns:
        float32 `20 log10(|iq| / max |iq|)`, not below `FLOOR_DB`, and `max |iq|`.
    """
    magnitude = np.abs(iq.astype(np.complex128))
    reference = float(magnitude.max())
    ratio = np.maximum(magnitude / reference, 10 ** (FLOOR_DB / 20))
    return (20 * np.log10(ratio)).astype(np.float32), reference
