"""Files of what was measured of methods: their numbers, and a picture of the curves."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from etils import epath

from sisr_jax.errors import InputError
from sisr_jax.evaluation.curves import draw_curves
from sisr_jax.evaluation.quality_report import Quality, as_csv, as_json
from sisr_jax.storage.files import write_whole
from sisr_jax.storage.folder import check_possible

_FILES = _PICTURE, _TABLE, _ALL = "trust.png", "trust.csv", "trust.json"


def check_files(output: Path, inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Refuses a folder where something would be lost, or nothing can be written.

    Args:
        output: The folder of the flag `--output`.
        inputs: Files and folders that are read.
        overwrite: Replace results that are there.

    Raises:
        InputError: Naming the place.
    """
    if output.exists() and not output.is_dir():
        raise InputError(f"--output={output}: a file, expected a folder")
    for folder in inputs:
        if output.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"--output={output}: inside {folder}, where it would count as an image"
            )
    for name in _FILES:
        if (output / name).is_dir():
            raise InputError(f"{output / name}: a folder, expected a file")
        if os.path.lexists(output / name) and not overwrite:
            raise InputError(f"{output / name}: is there; --overwrite replaces it")
    check_possible(epath.Path(output), "--output")


def write_files(
    output: Path, qualities: Mapping[str, Quality], settings: Mapping[str, Any]
) -> None:
    """Writes picture, table, and everything as JSON.

    Args:
        output: A folder, made if it is not there.
        qualities: By method.
        settings: What the picture and the JSON file also say.

    Raises:
        StorageError: If the storage fails.
    """
    title = ", ".join(f"{name} {value}" for name, value in settings.items())
    # Names of files may be no text.
    title = title.encode(errors="backslashreplace").decode()
    folder = epath.Path(output)
    draw_curves(folder / _PICTURE, qualities, title=title)
    write_whole(folder / _TABLE, as_csv(qualities))
    write_whole(folder / _ALL, as_json(qualities, settings))
