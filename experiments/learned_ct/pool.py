"""Samples with what a stage of the cascade sees of them, and crops of these."""

import pathlib

import jax.numpy as jnp
import numpy as np

from experiments.learned_ct.studies import Sample, Study, samples_of
from sisr_jax.evaluation.measures import hull

CROP = 128
BATCH = 4
BODY = 0.25  # -500 HU


class Pool:
    """Samples of a split with the inputs of one stage, read as they become ready."""

    def __init__(
        self,
        samples: list[Sample],
        shares: dict[str, float],
        starts: pathlib.Path,
        images: pathlib.Path | None,
    ) -> None:
        self.samples, self.shares = samples, shares
        self.starts, self.images = starts, images
        self.groups: dict[str, dict[Sample, dict]] = {name: {} for name in shares}

    def refresh(self) -> "Pool":
        for sample in self.samples:
            ready = [sample.path(self.starts)]
            ready += [] if self.images is None else [sample.path(self.images)]
            group = self.groups[sample.group]
            if sample not in group and all(each.exists() for each in ready):
                group[sample] = self._read(sample)
        return self

    def __len__(self) -> int:
        return sum(map(len, self.groups.values()))

    def _read(self, sample: Sample) -> dict:
        with np.load(sample.path(self.starts)) as stored:
            arrays = dict(stored)
        starts, target = arrays["starts"], arrays["target"]
        current = previous = starts[..., 0]
        if self.images is not None:
            with np.load(sample.path(self.images)) as stored:
                current, previous = stored["consistent"], stored["output"].clip(0, 1)
        body = np.asarray(hull(jnp.asarray(target > BODY)[..., None]))
        return {
            "inputs": np.concatenate([np.stack([current, previous], -1), starts], -1),
            "target": target,
            "measured": arrays["measured"],
            "error": min(
                np.square(image.clip(0, 1) - target).mean()
                for image in (current, previous, *np.moveaxis(starts, -1, 0))
            ),
            "body": np.flatnonzero(body) if body.any() else np.arange(body.size),
        }

    def draw(self, rng: np.random.Generator) -> dict:
        """Crops whose centre is in the body, in one of the 8 symmetries."""
        groups = [
            (list(g.values()), self.shares[n]) for n, g in self.groups.items() if g
        ]
        shares = np.array([share for _, share in groups])
        parts = []
        for _ in range(BATCH):
            group = groups[rng.choice(len(groups), p=shares / shares.sum())][0]
            each = group[rng.integers(len(group))]
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


def pools_of(
    study: Study, data: pathlib.Path, cache: pathlib.Path, run: str, stage: int
) -> dict[str, Pool]:
    """Training and validation samples with the inputs of a stage."""
    return {
        split: Pool(
            samples_of(study, data, split),
            study.shares,
            cache / "starts",
            cache / run / f"stage_{stage - 1}" if stage else None,
        ).refresh()
        for split in ("train", "validation")
    }
