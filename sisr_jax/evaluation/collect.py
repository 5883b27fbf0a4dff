"""Runs a compiled estimate over a split and keeps its numbers by method and image."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from sisr_jax.config import Config
from sisr_jax.data.pipeline import evaluation_batches
from sisr_jax.data.sources import Source
from sisr_jax.evaluation.measures import ORDER
from sisr_jax.evaluation.patients import patient_numbers
from sisr_jax.evaluation.protocol import Protocol
from sisr_jax.evaluation.regions import Regions, regions_of
from sisr_jax.evaluation.table import Score
from sisr_jax.hosts.mesh import local_rows, to_devices, to_host
from sisr_jax.types import Batch

# An image's index in its split, and `[height, width, 1]` in [0, 1] by method.
Save = Callable[[int, Mapping[str, np.ndarray]], None]


class Evaluation(NamedTuple):
    """Scores of a split, and the images of some examples.

    Attributes:
        scores: One for each method and image, images in the order of the split.
        examples: `[num_examples, height, width, 1]` for `Degraded`, each
            method, and `HR`.
    """

    scores: list[Score]
    examples: dict[str, np.ndarray]


def collect(
    estimate: Callable[[Batch, Regions], Any],
    methods: list[str],
    source: Source,
    config: Config,
    mesh: Mesh,
    protocol: Protocol,
    num_examples: int,
    save: Save | None = None,
) -> Evaluation:
    """Scores every image of a split; every process gets the scores of all.

    Args:
        estimate: A batch and its regions on the devices to images by name, and to
            `{method: {number: [batch]}}`.
        methods: In the order of the table.
        source: The split.
        config: Its data section, and the evaluation batch.
        mesh: Devices to run on.
        protocol: What the numbers are named after.
        num_examples: How many images to return, evenly spread over the split.
        save: Given every image that has a score.
    """
    patients = patient_numbers(source, config.data)
    regions = regions_of(source, config.data)
    # In the order of the table; a dictionary that passes through `jit` is sorted.
    scores: dict[str, list[Score]] = {method: [] for method in methods}
    kept: dict[str, list[np.ndarray]] = {}
    # Evenly spread: neighbours in a split are slices of one patient.
    examples = {i * len(source) // num_examples for i in range(num_examples)}
    batch_size = config.evaluation.batch_size
    rows = local_rows(mesh, batch_size)
    with evaluation_batches(
        source, config.data, batch_size=batch_size, rows=rows
    ) as batches:
        for first, batch in zip(itertools.count(0, batch_size), batches, strict=False):
            placed = to_devices(batch, mesh)
            images, values = estimate(placed, to_devices(regions(batch), mesh))
            indices = range(first, min(first + batch_size, len(source)))
            real = to_host(placed.mask)  # images without content have no score
            for method, numbers in to_host(values).items():
                scores[method].extend(
                    _score_of(
                        method,
                        index,
                        index - first,
                        numbers,
                        source,
                        patients,
                        protocol,
                    )
                    for index in indices
                    if real[index - first]
                )
            wanted = [index - first for index in indices if index in examples]
            if wanted or save is not None:
                images = to_host(images)
            if wanted:
                for name, image in images.items():
                    kept.setdefault(name, []).append(image[wanted])
            for index in indices:
                if save is not None and real[index - first]:
                    save(index, {n: each[index - first] for n, each in images.items()})
    return Evaluation(
        [score for each in scores.values() for score in each],
        {name: np.concatenate(images) for name, images in kept.items()},
    )


def _score_of(
    method: str,
    index: int,
    row: int,
    numbers: Mapping[str, np.ndarray],
    source: Source,
    patients: list[str],
    protocol: Protocol,
) -> Score:
    names = dict.fromkeys((*ORDER, *sorted(numbers)))
    values = {name: float(numbers[name][row]) for name in names if name in numbers}
    return Score(
        method=method,
        image=source.name(index),
        psnr=values.pop("psnr"),
        ssim=values.pop("ssim"),
        more=values,
        patient=patients[index],
        protocol=protocol.id,
    )
