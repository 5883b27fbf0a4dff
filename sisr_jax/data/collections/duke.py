"""duke_ultrasound: recordings of a phantom and of people, in beam space.

Huang et al., "MimickNet, mimicking clinical image post-processing under black-box
constraints", IEEE Trans. Med. Imaging 39(6), 2020. `manual_dir` holds the two archives
as they were published, `phantom_data.tar` and `mark_data.tar`, or unpacked into
`phantom_data/` and `mark_data/`, and the CSV of each split. A record is one frame,
rows in depth and columns in angle, with the sector it was taken from: sample (i, j)
lies at radius `initial_radius + i * step` and angle `initial_angle + j * step`, both
ends included.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from sisr_jax.data.collections.archive import Files, Folder, open_archive
from sisr_jax.data.collections.builder import PlannedBuilder
from sisr_jax.data.collections.duke_table import LARGEST, NUMBERS, TEXTS, read_table
from sisr_jax.data.formats.matlab import MAX_BYTES, read_mat
from sisr_jax.data.plan import Plan, Planned, Skip
from sisr_jax.data.records import DUKE, FLOOR_DB, UltrasoundTarget
from sisr_jax.errors import InputError

# What the repository calls their downloads, under which they may still lie.
_TABLES = {
    "train": "tt44pn391",
    "validation": "dj52w535x",
    "test": "zg64tm441",
    "MARK": "wd375w77v",
    "A": "nc580n18d",
    "B": "7h149q56p",
}
_ARCHIVES = {"phantom_data": "vt150j912", "mark_data": "4x51hj56d"}


@dataclasses.dataclass(kw_only=True)
class DukeConfig(tfds.core.BuilderConfig):
    """Which image a record holds; the name is that of the image.

    Attributes:
        image: `dtce`: what the scanner's own processing made, as stored. `bmode`:
            20 log10 of the IQ magnitude over the frame's maximum, which is kept as
            `reference`; not below `FLOOR_DB`.
    """

    image: UltrasoundTarget = "dtce"


class DukeUltrasound(PlannedBuilder, skip_registration=True):
    """The recordings as images `[depth, angle]` with their polar geometry."""

    name = DUKE
    # The catalogue's builder, with flat arrays, is at 2.0.0.
    VERSION = tfds.core.Version("3.0.0")
    BUILDER_CONFIGS = [  # noqa: RUF012  # TFDS declares it as a plain list
        DukeConfig(name="dtce", image="dtce"),
        DukeConfig(name="bmode", image="bmode"),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Put the archives phantom_data.tar and mark_data.tar (or, unpacked, folders of "
        "these names) beside train.csv, validation.csv, test.csv (and MARK, A, B)."
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
                | dict.fromkeys(NUMBERS, np.float32)
                | {name: tfds.features.Text() for name in TEXTS}
                | {"timestamp_id": np.int64, "harmonic": np.bool_}
            ),
            homepage="https://github.com/ouwen/mimicknet",
        )

    def plan(self, manual_dir: Path) -> Plan:
        """See `plan_duke`."""
        config: Any = self.builder_config
        return plan_duke(manual_dir, config.image)


def plan_duke(manual_dir: Path, image: UltrasoundTarget) -> Plan:
    """Plans the records of every split whose CSV is there.

    Args:
        manual_dir: Folder with the archives, packed or not, and the CSVs.
        image: See `DukeConfig`.

    Returns:
        Records by split, in the order of the CSV.

    Raises:
        InputError: If there is no CSV, a row is unusable, a frame is in two of the
            splits for training, validation and test, or an archive that the rows
            need is missing or damaged.
    """
    tables = {split: _find_table(manual_dir, split) for split in _TABLES}
    rows = {split: read_table(path) for split, path in tables.items() if path}
    if not rows:
        listing = ", ".join(f"{split}.csv" for split in _TABLES)
        raise InputError(f"{manual_dir}: none of {listing} in this folder")
    _check_leaks(manual_dir, rows)
    needed = sorted({_archive_of(row) for each in rows.values() for row in each})
    archives, skips = {}, []
    for name in needed:
        archives[name], left_out = _open(manual_dir, name)
        skips += left_out
    splits = {
        split: [
            Planned(
                row["name"],
                functools.partial(_make, row, archives[_archive_of(row)], image),
            )
            for row in each
        ]
        for split, each in rows.items()
    }
    return Plan(splits, skips, f"{image} {list(rows.values())!r}")


def _check_leaks(
    manual_dir: Path, rows: Mapping[str, Sequence[Mapping[str, Any]]]
) -> None:
    # The other three are selections that may share frames with these.
    first: dict[str, str] = {}
    for split in ("train", "validation", "test"):
        for row in rows.get(split, ()):
            other = first.setdefault(row["name"], split)
            if other != split:
                raise InputError(
                    f"{manual_dir}: {row['name']!r} is in two splits, {other} and "
                    f"{split}"
                )


def _archive_of(row: Mapping[str, Any]) -> str:
    return "mark_data" if row["target"] == "mark" else "phantom_data"


def _find_table(manual_dir: Path, split: str) -> Path | None:
    names = f"{split}.csv", f"{_TABLES[split]}.csv", _TABLES[split]
    paths = [manual_dir / name for name in names]
    return next((path for path in paths if path.is_file()), None)


def _open(manual_dir: Path, name: str) -> tuple[Files, Sequence[Skip]]:
    if (manual_dir / name).is_dir():
        return Folder(manual_dir / name), []
    for file in (f"{name}.tar", f"{_ARCHIVES[name]}.tar", _ARCHIVES[name]):
        if (manual_dir / file).is_file():
            archive = open_archive(manual_dir / file)
            return archive, archive.left_out
    raise InputError(
        f"{manual_dir}: neither {name}.tar nor a folder {name} in it, which rows of "
        "the tables need"
    )


def _make(
    row: Mapping[str, Any], files: Files, target: UltrasoundTarget
) -> dict[str, Any]:
    variable = "dtce" if target == "dtce" else "iq"
    label = files.label(row["name"])
    data = files.read(row["name"], max_bytes=MAX_BYTES)
    samples = read_mat(data, [variable], label=label)[variable]
    shape = (row["height"], row["width"])
    # Either already of this shape, or flat in the order of its rows.
    if samples.shape != shape and (
        max(samples.shape) != samples.size or samples.size != math.prod(shape)
    ):
        raise InputError(
            f"{label}: variable {variable!r} has shape {samples.shape}, expected "
            f"{shape[0]}x{shape[1]} (axial_samples, lateral_samples)"
        )
    samples = samples.reshape(shape)
    with np.errstate(over="ignore"):
        largest = float(np.max(np.abs(samples)))
    if not largest < LARGEST:
        raise InputError(
            f"{label}: variable {variable!r} has samples that are NaN, infinite or "
            "beyond float32"
        )
    if target == "dtce" and samples.dtype.kind == "c":
        raise InputError(f"{label}: variable 'dtce' is complex, expected real")
    if largest == 0:
        raise InputError(f"{label}: variable {variable!r} is zero everywhere")
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
