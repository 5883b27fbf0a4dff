"""Slices with what a stage of the cascade sees of them, and crops of these."""

import pathlib

import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.slices import files_of
from sisr_jax.evaluation.measures import hull

STARTS = ("weak", "strong", "fbp")
CROP = 128
BATCH = 4
BODY = 0.25  # -500 HU


class Pool:
    """Slices of a split with the inputs of one stage, read as they become ready."""

    def __init__(self, files: list, starts: pathlib.Path, images: pathlib.Path | None):
        self.files, self.starts, self.images = files, starts, images
        self.slices: dict[str, dict] = {}

    def refresh(self) -> "Pool":
        for file in self.files:
            path = self.starts / f"{file.stem}.npz"
            ready = [path] if self.images is None else [path, self.images / path.name]
            if file.stem not in self.slices and all(each.exists() for each in ready):
                self.slices[file.stem] = self._read(path)
        return self

    def _read(self, path: pathlib.Path) -> dict:
        with np.load(path) as stored:
            arrays = dict(stored)
        starts = [arrays[name] for name in STARTS]
        current = previous = arrays["weak"]
        if self.images is not None:
            with np.load(self.images / path.name) as stored:
                current, previous = stored["consistent"], stored["output"]
        body = np.asarray(hull(jnp.asarray(arrays["target"] > BODY)[..., None]))
        return {
            "inputs": np.stack([current, previous, *starts], -1),
            "target": arrays["target"],
            "measured": arrays["measured"],
            "error": np.square(current.clip(0, 1) - arrays["target"]).mean(),
            "body": np.flatnonzero(body) if body.any() else np.arange(body.size),
        }

    def draw(self, rng: np.random.Generator) -> dict:
        """Crops whose centre is in the body, in one of the 8 symmetries."""
        names = list(self.slices)
        parts = []
        for _ in range(BATCH):
            each = self.slices[names[rng.integers(len(names))]]
            size = len(each["target"])
            row, column = divmod(int(rng.choice(each["body"])), size)
            top = min(max(row - CROP // 2, 0), size - CROP)
            left = min(max(column - CROP // 2, 0), size - CROP)
            turns, flip = rng.integers(4), rng.integers(2)
            crop = np.s_[top : top + CROP, left : left + CROP]
            images = each["inputs"][crop], each["target"][crop][..., None]
            images = [np.rot90(image, turns) for image in images]
            parts.append([image[:, ::-1] if flip else image for image in images])
            parts[-1].append(each["error"])
        inputs, target, error = zip(*parts, strict=True)
        return {
            "inputs": np.stack(inputs),
            "target": np.stack(target),
            "error": np.stack(error),
        }


def pools_of(data: pathlib.Path, cache: pathlib.Path, run: str, stage: int) -> dict:
    """Training and validation slices with the inputs of a stage."""
    return {
        split: Pool(
            list(files_of(data, split)),
            cache / "starts" / split,
            cache / run / f"stage_{stage - 1}" / split if stage else None,
        ).refresh()
        for split in ("train", "validation")
    }
