"""What a prepared TFDS folder says of itself, read before TFDS sees any of it.

The threat is a folder that somebody else made. TFDS imports the module that a
`pythonClassName` names (in `features.json`, or inside `dataset_info.json`), opens
vocabularies beside them, and follows a template of shard names to wherever it leads.
So TFDS is never given the folder: its two descriptions are parsed here and in
`record_features`, with bounds, and nothing else in it is opened but the shards, which
have the one name that TFDS gives them by default.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sisr_jax.data.json_fields import (
    UnfitError,
    as_list,
    as_name,
    as_number,
    as_object,
    read_json,
    show,
)

INFO = "dataset_info.json"

_FORMAT = "array_record"
_TEMPLATE = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
_NAME = "[A-Za-z0-9_]{1,100}"
_CONFIG_NAME = "[A-Za-z0-9_.+=-]{0,200}"
_VERSION = r"\d{1,9}\.\d{1,9}\.\d{1,9}"
# An index is int32 on the device.
_MAX_RECORDS = 2**31 - 1


class Info(NamedTuple):
    """What a prepared folder holds.

    Attributes:
        name: Of the dataset.
        config_name: Of its configuration; empty when it has only one.
        splits: Records of each shard, by split.
    """

    name: str
    config_name: str
    splits: Mapping[str, tuple[int, ...]]

    def shards(self, folder: Path, split: str) -> list[Path]:
        """The files of a split, in order; those without a record are left out."""
        counts = self.splits[split]
        stem = f"{self.name}-{split}.{_FORMAT}"
        return [
            folder / f"{stem}-{i:05d}-of-{len(counts):05d}"
            for i, count in enumerate(counts)
            if count
        ]


def read_info(folder: Path) -> Info:
    """Reads `dataset_info.json`.

    Raises:
        InputError: If it is missing or no such description, or if the dataset is not
            in array_record format or has shards of other names.
    """
    return read_json(folder / INFO, _parse)


def _parse(content: Any) -> Info:
    info = as_object(content, "the file")
    name = as_name(info.get("name"), "name", _NAME)
    config_name = as_name(info.get("configName", ""), "configName", _CONFIG_NAME)
    as_name(info.get("version"), "version", _VERSION)
    formats = [info.get("fileFormat"), *_optional_list(info, "alternativeFileFormats")]
    if _FORMAT not in formats:
        raise UnfitError(
            f"fileFormat is {show(formats[0])}, not in array_record format, which "
            "random access needs; prepare it with file_format='array_record'"
        )
    splits: dict[str, tuple[int, ...]] = {}
    for item in _optional_list(info, "splits"):
        split = as_object(item, "a split")
        label = as_name(split.get("name"), "name of a split", _NAME)
        if label in splits:
            raise UnfitError(f"split {label!r} is there twice")
        splits[label] = _count(split, label)
    return Info(name, config_name, splits)


def _count(split: dict[str, Any], label: str) -> tuple[int, ...]:
    template = split.get("filepathTemplate", _TEMPLATE)
    if template != _TEMPLATE:
        raise UnfitError(
            f"filepathTemplate of split {label!r} is {show(template)}, expected "
            f"{_TEMPLATE!r}"
        )
    lengths = _optional_list(split, "shardLengths")
    counts = tuple(as_number(length, "a shard length") for length in lengths)
    if min(counts, default=0) < 0 or sum(counts) > _MAX_RECORDS:
        raise UnfitError(
            f"shardLengths of split {label!r}, expected 0 to {_MAX_RECORDS} in all"
        )
    return counts


def _optional_list(content: dict[str, Any], key: str) -> list[Any]:
    # What is empty is not written.
    return as_list(content.get(key, []), key)
