"""Which images belong to the same patient, for statistics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sisr_jax.config import Data
from sisr_jax.data.persons import find_patient
from sisr_jax.data.sources import Source, details
from sisr_jax.data.splits import read_assignments

# What a record calls its patient; the first one that it has counts. Frames of one
# recording are of one patient, whoever it is.
_FEATURES = ("patient_index", "patient_id", "patient", "timestamp_id")


def patient_numbers(source: Source, config: Data) -> list[str]:
    """The patient of every image, as a number in the order of appearance.

    Numbers and not names, because tables leave the house and names may come from
    file headers. In a folder the patient is the one of `config.splits_csv`, if it
    has a column for it, or the one that the folder is split by (see
    `data.persons.find_patient`), in a prepared dataset that of the record or else its
    recording. Images that tell no patient are patients of their own.

    Args:
        source: One split.
        config: The section it was opened from.

    Returns:
        `"1"`, `"2"`, ... for each image; equal for images of one patient.
    """
    names = [source.name(index) for index in range(len(source))]
    if config.source == "folder":
        names = _folder_patients(names, config)
    else:
        names = [_patient(details(source, i)) or name for i, name in enumerate(names)]
    numbers = {name: str(i) for i, name in enumerate(dict.fromkeys(names), start=1)}
    return [numbers[name] for name in names]


def _patient(record: Mapping[str, Any]) -> str:
    known = [record[name] for name in _FEATURES if name in record]
    return f"patient {known[0]}" if known else ""


def _folder_patients(names: list[str], config: Data) -> list[str]:
    root = Path(config.path)
    files = [_file(root, name) for name in names]
    if config.split_by == "position":  # which is for data of one patient
        return ["" for _ in names]
    listed = {}
    if config.splits_csv:
        listed = read_assignments(Path(config.splits_csv), root=root)
    patients = []
    for file in files:
        known = listed[file].patient if file in listed else ""
        patients.append(known or find_patient(file, root=root))
    return patients


def _file(root: Path, name: str) -> Path:
    """The file of an image; `volume.nii#0012` is the twelfth of `volume.nii`."""
    whole = root / name
    return whole if whole.is_file() else root / name.rpartition("#")[0]
