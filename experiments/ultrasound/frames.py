"""Frames of the data folder, and crops of them with scan lines left out."""

import csv
import pathlib
from typing import NamedTuple

import numpy as np

from sisr_jax.data.formats.readers import read_images
from sisr_jax.data.splits import read_assignments
from sisr_jax.data.transforms import to_unit_range

WINDOW = (0.0, 255.0)
SIZE = 256
CROP = (128, SIZE)
BATCH = 4
MOST = 16
# How often a factor is drawn; the others share what is left.
FACTORS = {16: 0.4, 8: 0.12, 4: 0.2, 2: 0.05}
# So many crops begin with a kept line, as protocols do.
FROM_FIRST = 0.5
# Crops darker than this, in means of [0, 1], show what lies outside of the sector.
DARK = 0.02


class Frame(NamedTuple):
    """A frame of a split: its file, patient or video, kind, and pixels."""

    file: pathlib.Path
    video: str
    kind: str
    image: np.ndarray


def frames_of(data: pathlib.Path, split: str) -> list[Frame]:
    """Frames of a split of `data/us`, by `data/manifest.csv`; in [0, 1]."""
    assigned = read_assignments(data / "manifest.csv", root=data / "us")
    with (data / "manifest.csv").open(newline="") as file:
        videos = {row["file"]: row["video_id"] for row in csv.DictReader(file)}
    found = []
    for file, each in sorted(assigned.items()):
        if each.split == split:
            stored = next(iter(read_images(file, [0], (1.0, 0.0))))
            kind = file.name.partition("_")[0]
            image = to_unit_range(stored, WINDOW)
            video = videos[f"us/{file.name}"] or each.patient
            found.append(Frame(file, video, kind, image))
    return found


def middle(image: np.ndarray) -> np.ndarray:
    """The central 256 x 256 pixels, as the configurations cut them."""
    top, left = ((side - SIZE) // 2 for side in image.shape)
    return image[top : top + SIZE, left : left + SIZE]


def draw(
    frames: list[Frame], rng: np.random.Generator, factor: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Crops `[batch, height, width]`, and their kept lines `[batch, width]`.

    Half of the crops are of heads, half of lungs; they may be turned about.

    Args:
        frames: Of the training.
        rng: Randomness.
        factor: Every how many-th line is kept, from the first on; default: drawn, and
            so is the first.
    """
    kinds: dict[str, list[Frame]] = {}
    for frame in frames:
        kinds.setdefault(frame.kind, []).append(frame)
    names, crops, kept = sorted(kinds), [], []
    for _ in range(BATCH):
        group = kinds[names[rng.integers(len(names))]]
        crops.append(_crop(group[rng.integers(len(group))].image, rng))
        if factor is None:
            kept.append(_lines(rng))
        else:
            kept.append(np.arange(SIZE) % factor == 0)
    return np.stack(crops), np.stack(kept).astype(np.float32)


def _crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    crop = image
    for _ in range(5):
        top, left = (
            rng.integers(side - size + 1)
            for side, size in zip(image.shape, CROP, strict=True)
        )
        crop = image[top : top + CROP[0], left : left + CROP[1]]
        if crop.mean() > DARK:
            break
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    # Shadows fall downwards, but speckle has no direction.
    return crop[::-1] if rng.random() < 0.25 else crop


def _lines(rng: np.random.Generator) -> np.ndarray:
    others = [n for n in range(2, MOST + 1) if n not in FACTORS]
    shares = list(FACTORS.values())
    shares += [(1 - sum(shares)) / len(others)] * len(others)
    factor = int(rng.choice([*FACTORS, *others], p=shares))
    offset = 0 if rng.random() < FROM_FIRST else int(rng.integers(factor))
    return np.arange(SIZE) % factor == offset
