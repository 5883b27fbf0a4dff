"""What a run measures and shows of itself while it trains, on validation images."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from etils import epath

from sisr_jax.data.pipeline import evaluation_batches
from sisr_jax.data.sources import Source, spread
from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.display import display_of
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.scoring import (
    compile_baseline,
    compile_samples,
    compile_validation,
)
from sisr_jax.hosts import agreement
from sisr_jax.hosts.mesh import local_rows, to_devices, to_host
from sisr_jax.run.pictures import legend, pictures
from sisr_jax.run.prepare import Run
from sisr_jax.run.progress import Progress
from sisr_jax.run.tensorboard import BASELINE
from sisr_jax.run.writers import MetricWriter
from sisr_jax.storage.json_files import read_object, write_object
from sisr_jax.train.state import TrainState
from sisr_jax.types import Batch

BASELINE_FILE = "baseline.json"
_NUM_SAMPLES = 3


class Validation:
    """Scores and pictures of the averaged generator, beside the strongest baseline.

    What does not change while a run trains is made once: the scores of the baseline
    (`baseline.json`), and the pictures that no weights are behind, of step 0, so that
    resuming hides none of them.
    """

    def __init__(
        self, run: Run, task: Any, writer: MetricWriter, progress: Progress
    ) -> None:
        self._run, self._task = run, task
        self._writer, self._progress = writer, progress
        self._protocol = protocol_of(run.config)
        self._display = display_of(self._protocol)
        self._validate = compile_validation(task, run.mesh)
        self._super_resolve = compile_samples(task, run.mesh)
        self._source = spread(run.validation, run.config.evaluation.num_validation)
        count = min(_NUM_SAMPLES, len(self._source))
        self._positions = [i * len(self._source) // count for i in range(count)]
        self._baseline: dict[str, float] | None = None

    def describe(self, step: int) -> None:
        """Writes what the numbers and pictures of a stretch from a step on mean."""
        config = json.dumps(dataclasses.asdict(self._run.config), indent=2)
        texts = {
            "config": "\n".join(f"    {line}" for line in config.splitlines()),
            "protocol": self._protocol.describe(),
            "samples": legend(self._display),
        }
        self._writer.write_texts(step, texts)

    def evaluate(self, state: TrainState, step: int) -> float:
        """Writes PSNR and SSIM of the validation images; returns the PSNR."""
        if self._baseline is None:
            self._baseline = self._known_baseline() or self._measure_baseline(state)
        self._progress.say(step, f"validating on {len(self._source)} images")
        total = None
        for on_devices in self._batches(self._source):
            metrics = self._validate(self._task, state, on_devices)
            total = metrics if total is None else total.merge(metrics)
        values = _values(total)
        psnr, ssim = values["psnr"], values["ssim"]
        measured = f"PSNR {psnr:.2f} dB, SSIM {ssim:.4f}"
        self._progress.say(step, f"{measured} ({self._protocol.id})")
        named = {f"eval/{name}": value for name, value in values.items()}
        named |= {BASELINE + name: v for name, v in self._baseline.items()}
        self._writer.write_scalars(step, named, protocol=self._protocol.id)
        return psnr

    def draw(self, state: TrainState, step: int) -> None:
        """Writes pictures of some samples, evenly spread over the validation images."""
        batch = next(self._batches(spread(self._source, _NUM_SAMPLES)))
        images = to_host(self._super_resolve(self._task, state, batch))
        images = {name: each[: len(self._positions)] for name, each in images.items()}
        names = ("degraded", "hr") if step == 0 else ()
        self._write(step, images, (*names, "sr", "error"))

    def _write(
        self, step: int, images: dict[str, np.ndarray], names: tuple[str, ...]
    ) -> None:
        self._writer.write_images(step, pictures(images, names, self._display))

    def _batches(self, source: Source) -> Iterator[Batch]:
        """Batches on the devices."""
        run, batch_size = self._run, self._run.config.evaluation.batch_size
        rows = local_rows(run.mesh, batch_size)
        with evaluation_batches(
            source, run.config.data, batch_size=batch_size, rows=rows
        ) as batches:
            for batch in batches:
                yield to_devices(batch, run.mesh)

    def _known_baseline(self) -> dict[str, float] | None:
        """What an earlier stretch of the run measured, if on the same images."""
        path = self._run.workdir / BASELINE_FILE
        return agreement.together(lambda: known_baseline(path, self._asked))

    @property
    def _asked(self) -> dict[str, Any]:
        """What the numbers of a baseline depend on; other images are another run's."""
        return {"protocol": self._protocol.id, "num_images": len(self._source)}

    def _measure_baseline(self, state: TrainState) -> dict[str, float]:
        """Scores the strongest baseline, and draws it beside the samples."""
        run, step = self._run, int(state.step)
        name = modality_of(run.config).baselines(run.config).primary
        count = len(self._source)
        self._progress.say(step, f"measuring {name} on {count} images, once in a run")
        measure = compile_baseline(self._task, run.mesh)
        total, drawn, first = None, [], 0
        for batch in self._batches(self._source):
            metrics, *images = measure(state.key, batch)
            total = metrics if total is None else total.merge(metrics)
            end = first + run.config.evaluation.batch_size
            rows = [at - first for at in self._positions if first <= at < end]
            if rows:
                drawn.append([image[rows] for image in to_host(images)])
            first = end
        values = _values(total)
        baseline, hr = map(np.concatenate, zip(*drawn, strict=True))
        # Of step 0, before which nothing is hidden when the run is resumed.
        self._write(0, {"baseline": baseline, "hr": hr}, ("baseline",))
        numbers = f"PSNR {values['psnr']:.2f} dB, SSIM {values['ssim']:.4f}"
        text = f"{name}: {numbers} on {count} images ({self._protocol.id})"
        self._writer.write_texts(0, {"baseline": text})
        self._writer.flush()
        if agreement.is_first():
            path = run.workdir / BASELINE_FILE
            write_object(path, self._asked | {"name": name} | values)
        return values


def known_baseline(
    path: epath.Path, asked: Mapping[str, Any]
) -> dict[str, float] | None:
    """Reads the numbers of a baseline.

    Args:
        path: What an earlier stretch of a run wrote, which anyone may have edited.
        asked: Fields that must be as they were.

    Returns:
        `psnr` and `ssim`; None if they have to be measured.

    Raises:
        InputError: If it is no small JSON object.
    """
    found = read_object(path) if path.exists() else {}
    if any(found.get(key) != value for key, value in asked.items()):
        return None
    values: dict[str, Any] = {name: found.get(name) for name in ("psnr", "ssim")}
    for value in values.values():
        if not (isinstance(value, float) and math.isfinite(value)):
            return None
    return values


def _values(metrics: Any) -> dict[str, float]:
    """Numbers of a merged collection of means."""
    assert metrics is not None, "sources are never empty"
    return {name: float(value) for name, value in metrics.compute().items()}
