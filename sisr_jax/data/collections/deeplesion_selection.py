"""Which slices of DeepLesion become records: decided from names alone."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from sisr_jax.data.collections.deeplesion_table import Lesion, read_table, slice_name
from sisr_jax.data.plan import Skip
from sisr_jax.errors import InputError

Kind = Literal["abnormal", "normal", "volume"]


class Chosen(NamedTuple):
    """The content of one record.

    Attributes:
        name: Of its key slice.
        slices: Indices of its slices, in order.
        key: Index of the key slice.
        lesions: Lesions of the key slice; for a normal slice, one lesion of its
            surroundings, for what the series has in common.
    """

    name: str
    slices: Sequence[int]
    key: int
    lesions: Sequence[Lesion]


def choose(
    manual_dir: Path, *, kind: Kind, thickness: int, keep_noisy: bool
) -> tuple[list[Chosen], list[Skip]]:
    """Chooses the records, without reading a pixel.

    Args:
        manual_dir: Folder with `Images_png` and `DL_info.csv`.
        kind: See `DeepLesionConfig`, as for the other two.
        thickness: Most slices of a volume; 0: all.
        keep_noisy: Whether possibly noisy annotations are taken.

    Returns:
        The records, sorted by name, and what was left out.

    Raises:
        InputError: If a part of the folder is missing or the table is unusable.
    """
    images = manual_dir / "Images_png"
    if not images.is_dir():
        raise InputError(f"{images}: no such folder, expected the slices of DeepLesion")
    lesions, skips, unknown = read_table(manual_dir / "DL_info.csv")
    series = _Series(images)
    keys: dict[tuple[str, int], list[Lesion]] = {}
    for lesion in lesions:
        skip = lesion.reason_to_skip(keep_noisy=keep_noisy)
        if skip is None and lesion.key not in series.slices(lesion.folder):
            skip = Skip(lesion.file, "no such image", "")
        if skip is None:
            keys.setdefault((lesion.folder, lesion.key), []).append(lesion)
        else:
            skips.append(skip)
    kept = [keys[at] for at in sorted(keys)]
    if kind == "normal":
        return _choose_normal(kept, lesions, unknown, series), skips
    if kind == "abnormal":
        return [Chosen(g[0].file, [g[0].key], g[0].key, g) for g in kept], skips
    return [_choose_volume(group, thickness, series, skips) for group in kept], skips


class _Series:
    """Slice numbers that are there, for each folder; each folder is listed once."""

    def __init__(self, images: Path) -> None:
        self._images = images
        self._slices: dict[str, frozenset[int]] = {}

    def slices(self, folder: str) -> frozenset[int]:
        if folder not in self._slices:
            path = self._images / folder
            names = os.listdir(path) if path.is_dir() else []
            stems = {n[:-4] for n in names if n.endswith(".png")}
            numbers = [int(s) for s in stems if s.isascii() and s.isdecimal()]
            # The table pads them to three digits; anything else is not a slice.
            there = {i for i in numbers if f"{i:03d}" in stems}
            self._slices[folder] = frozenset(there)
        return self._slices[folder]


def _choose_volume(
    group: list[Lesion], thickness: int, series: _Series, skips: list[Skip]
) -> Chosen:
    first = group[0]
    key, (low, high) = first.key, first.slice_range
    if thickness:
        before = (thickness - 1) // 2
        low = max(low, key - before)
        high = min(high, key - before + thickness - 1)
    there = series.slices(first.folder)
    start = stop = key
    while start > low and start - 1 in there:
        start -= 1
    while stop < high and stop + 1 in there:
        stop += 1
    if (start, stop) != (low, high):
        detail = f"slices {start} to {stop} of {low} to {high}"
        skips.append(Skip(first.file, "volume shortened, slices missing", detail))
    return Chosen(first.file, range(start, stop + 1), key, group)


def _choose_normal(
    kept: list[list[Lesion]], lesions: list[Lesion], unknown: set[str], series: _Series
) -> list[Chosen]:
    by_folder: dict[str, list[Lesion]] = {}
    for lesion in lesions:
        by_folder.setdefault(lesion.folder, []).append(lesion)
    found: dict[str, Chosen] = {}
    wanted: dict[str, int] = {}
    for first, *_ in kept:
        wanted[first.split] = wanted.get(first.split, 0) + 1
        if first.folder in unknown:
            continue
        low, high = first.slice_range
        for i in sorted(series.slices(first.folder) & set(range(low, high + 1))):
            if all(abs(i - o.key) > o.margin for o in by_folder[first.folder]):
                name = slice_name(first.folder, i)
                found.setdefault(name, Chosen(name, [i], i, [first]))
    chosen = []
    for split, count in wanted.items():
        names = [name for name in found if found[name].lesions[0].split == split]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
        chosen += [found[name] for name in sorted(names[:count])]
    return chosen
