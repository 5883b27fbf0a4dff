"""NIH DeepLesion as a TFDS data set: 16-bit CT slices with their lesions.

`manual_dir` holds `DL_info.csv` and `Images_png/<series>/<slice>.png`, as the
unpacked publication. A stored value is HU + 32768 and is kept exactly. Lesions
whose row fails the selection (`Lesion.reason_to_skip`) do not take part; their
slices still do not count as normal.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from sisr_jax.data.collections.builder import PlannedBuilder
from sisr_jax.data.collections.deeplesion_selection import Chosen, Kind, choose
from sisr_jax.data.collections.deeplesion_table import SIZE
from sisr_jax.data.encodings import (
    Encoding,
    decode_png,
    slice_feature,
    volume_feature,
)
from sisr_jax.data.plan import Plan, Planned
from sisr_jax.errors import InputError

# 512 x 512 x 2 bytes is half a megabyte before packing.
_MAX_FILE_BYTES = 4 * 2**20


@dataclasses.dataclass(kw_only=True)
class DeepLesionConfig(tfds.core.BuilderConfig):
    """What a record is and how its pixels are stored.

    Attributes:
        kind: `abnormal`: a key slice with its lesions. `normal`: a slice of a key
            slice's surroundings that no annotated lesion reaches; as many as
            abnormal ones, chosen by a hash of the name. `volume`: the published
            slices around a key slice, as far as they are there without a gap.
        thickness: Most slices of a volume, the key slice in the middle; 0: all.
        keep_noisy: Whether annotations flagged as possibly noisy are taken.
        encoding: See `slice_feature`.
    """

    kind: Kind = "abnormal"
    thickness: int = 0
    keep_noisy: bool = False
    encoding: Encoding = "png"


def make_config(
    kind: Kind,
    *,
    thickness: int = 0,
    keep_noisy: bool = False,
    encoding: Encoding = "png",
) -> DeepLesionConfig:
    """A configuration with a name of its own: `abnormal`, `volume_5_noisy_zlib`.

    Raises:
        InputError: If `thickness` is negative, or set for slices.
    """
    if thickness < 0 or (thickness and kind != "volume"):
        raise InputError(
            f"thickness = {thickness}: expected 0 (all), or for volumes 1 or more"
        )
    parts = [kind]
    parts += [str(thickness)] if thickness else []
    parts += ["noisy"] if keep_noisy else []
    parts += [encoding] if encoding != "png" else []
    return DeepLesionConfig(
        name="_".join(parts),
        kind=kind,
        thickness=thickness,
        keep_noisy=keep_noisy,
        encoding=encoding,
    )


class DeepLesion(PlannedBuilder, skip_registration=True):
    """DeepLesion: 32,735 lesions of 4,427 patients on axial CT slices."""

    name = "deeplesion"
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [make_config(kind) for kind in ("abnormal", "normal", "volume")]  # noqa: RUF012  # TFDS declares it as a plain list
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Unpack the archives of the NIH DeepLesion release into Images_png/ and put "
        "DL_info.csv beside that folder."
    )

    def _info(self) -> Any:
        config: Any = self.builder_config
        features = {
            "name": tfds.features.Text(),
            "patient_index": np.int32,
            "gender": np.int32,
            "age": np.int32,
            "spacing": tfds.features.Tensor(shape=(3,), dtype=np.float32),
            "slice_range": tfds.features.Tensor(shape=(2,), dtype=np.int32),
        }
        if config.kind == "volume":
            features["images"] = volume_feature(config.encoding, (SIZE, SIZE))
            features["slices"] = tfds.features.Tensor(shape=(None,), dtype=np.int32)
            features["key_index"] = np.int32
        else:
            features["image"] = slice_feature(config.encoding, (SIZE, SIZE))
        if config.kind == "normal":
            features["windows"] = tfds.features.Tensor(shape=(1, 2), dtype=np.float32)
        else:
            features |= _LESION_FEATURES
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(features),
            homepage="https://nihcc.app.box.com/v/DeepLesion",
        )

    def plan(self, manual_dir: Path) -> Plan:
        """See `plan_deeplesion`."""
        config: Any = self.builder_config
        return plan_deeplesion(manual_dir, config)


_LESION_FEATURES = {
    "boxes": tfds.features.Tensor(shape=(None, 4), dtype=np.float32),
    "diameters": tfds.features.Tensor(shape=(None, 2), dtype=np.float32),
    "measurements": tfds.features.Tensor(shape=(None, 8), dtype=np.float32),
    "locations": tfds.features.Tensor(shape=(None, 3), dtype=np.float32),
    "windows": tfds.features.Tensor(shape=(None, 2), dtype=np.float32),
    "lesion_types": tfds.features.Tensor(shape=(None,), dtype=np.int32),
    "possibly_noisy": tfds.features.Tensor(shape=(None,), dtype=np.int32),
}


def plan_deeplesion(manual_dir: Path, config: DeepLesionConfig) -> Plan:
    """Plans the records, without reading a pixel.

    Args:
        manual_dir: Folder with `Images_png` and `DL_info.csv`.
        config: What a record is.

    Returns:
        Records by split, sorted by name; empty splits are left out.

    Raises:
        InputError: If a part of the folder is missing, the table is unusable, or
            nothing is selected.
    """
    chosen, skips = choose(
        manual_dir,
        kind=config.kind,
        thickness=config.thickness,
        keep_noisy=config.keep_noisy,
    )
    images = manual_dir / "Images_png"
    splits: dict[str, list[Planned]] = {"train": [], "validation": [], "test": []}
    for item in chosen:
        make = functools.partial(_make, item, config, images)
        splits[item.lesions[0].split].append(Planned(item.name, make))
    splits = {split: planned for split, planned in splits.items() if planned}
    if not splits:
        raise InputError(f"{manual_dir}: nothing selected, {len(skips)} items skipped")
    content = repr([(item.slices, item.lesions) for item in chosen])
    return Plan(splits, skips, f"{config.name} {content}")


def _make(chosen: Chosen, config: DeepLesionConfig, images: Path) -> dict[str, Any]:
    first, *_ = chosen.lesions
    pixels = [
        _read_slice(images / first.folder / f"{i:03d}.png", config.encoding)
        for i in chosen.slices
    ]
    record: dict[str, Any] = {
        "name": chosen.name,
        "patient_index": first.patient,
        "gender": first.gender,
        "age": first.age,
        "spacing": first.spacing,
        "slice_range": first.slice_range,
    }
    if config.kind == "volume":
        record["images"] = pixels if config.encoding == "png" else np.stack(pixels)
        record["slices"] = np.asarray(chosen.slices, np.int32)
        record["key_index"] = chosen.key - chosen.slices[0]
    else:
        record["image"] = pixels[0]
    if config.kind == "normal":
        return record | {"windows": [first.window]}
    return record | {
        "boxes": [o.box for o in chosen.lesions],
        "diameters": [o.diameters for o in chosen.lesions],
        "measurements": [o.measurement for o in chosen.lesions],
        "locations": [o.location for o in chosen.lesions],
        "windows": [o.window for o in chosen.lesions],
        "lesion_types": [o.lesion_type for o in chosen.lesions],
        "possibly_noisy": [int(o.noisy) for o in chosen.lesions],
    }


def _read_slice(path: Path, encoding: Encoding) -> Any:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise InputError(f"larger than {_MAX_FILE_BYTES} bytes")
        data = path.read_bytes()
        values = decode_png(data)
    except (InputError, OSError) as error:
        raise InputError(f"{path}: {error}") from error
    if values.dtype != np.uint16 or values.shape != (SIZE, SIZE):
        raise InputError(
            f"{path}: {values.dtype} of shape {values.shape}, expected 16-bit, "
            f"{SIZE}x{SIZE}"
        )
    return data if encoding == "png" else values[..., None]
