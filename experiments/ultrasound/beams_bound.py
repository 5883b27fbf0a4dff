"""What could be known of missing lines: two bounds for homogeneous tissue, as a csv.

    python -m experiments.ultrasound.beams_bound --images 8

Fully developed speckle without noise is a Gaussian field, whose covariance along the
lines `ultrasound.probes` has in closed form, and which factors into depth and line:
nothing beyond the kept lines of the same depth says more of a missing one. Given the
complex samples (IQ) of the kept lines, and the very probe that drew them, a missing
sample is Gaussian with a known mean and variance. From these:

* `mean`: the mean of what is shown, `E 10 log10 |z|^2`, in closed form: no method has a
  smaller error in dB. Methods that see envelopes alone, or do not know the probe, know
  less.
* `draw`: one draw from what is possible, whose speckle has the statistics of the truth;
  its squared error is, in expectation, twice that of the mean.
* `variance`: share of a missing sample's power that remains unknown.
"""

import argparse
import csv
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import exp1

from experiments.ultrasound.beams_information import WINDOW, interpolated
from sisr_jax.data.phantoms.echo_map import TISSUE_DB
from sisr_jax.degradation.beams import shown
from sisr_jax.ultrasound.arrays import ARRAYS, varied
from sisr_jax.ultrasound.probes import Probe, field_correlation
from sisr_jax.ultrasound.speckle import echoes

SHAPE = (128, 256)
FACTORS = (2, 4, 8, 16)
# Of the power of a sample: what the round-off of the samples would amount to.
NOISE = 1e-4


@functools.partial(jax.jit, static_argnums=2)
def speckle(key: jax.Array, probe: Probe, shape: tuple[int, int]) -> jax.Array:
    """Homogeneous, fully developed speckle at the level of tissue."""
    tissue = jnp.full(shape, 10 ** (TISSUE_DB / 20))
    return echoes(key, tissue, 0 * tissue, probe=probe, scatterers_per_mm2=jnp.inf)


@functools.partial(jax.jit, static_argnums=2)
def known(samples: jax.Array, probe: Probe, factor: int) -> tuple[jax.Array, jax.Array]:
    """Mean and variance of every sample, given every `factor`-th line."""
    depth, lines = samples.shape
    lags = jnp.arange(lines)
    correlation = jax.vmap(lambda lag: field_correlation(probe, depths, lag), 0, 1)
    depths = probe.depths(depth)
    away = jnp.abs(lags[:, None] - lags)

    def of_row(row: jax.Array, of_lag: jax.Array) -> tuple[jax.Array, jax.Array]:
        covariance = of_lag[away]
        kept = covariance[::factor]
        inner = kept[:, ::factor] + NOISE * jnp.eye(kept.shape[0])
        weights = jnp.linalg.solve(inner, kept)
        explained = jnp.sum(weights * kept, 0)
        return row[::factor] @ weights, jnp.maximum(1 - explained, 0)

    return jax.lax.map(lambda each: of_row(*each), (samples, correlation(lags)))


def mean_level(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Mean level on the display of a complex Gaussian sample."""
    # E ln |z|^2 = ln |m|^2 + E1(|m|^2 / v), which of m = 0 is a limit.
    power = np.maximum(np.square(np.abs(mean)), 1e-6 * variance)
    logarithm = np.log(power) + exp1(power / variance)
    low, high = WINDOW
    return np.clip(1 + (10 / np.log(10) * logarithm - high) / (high - low), 0, 1)


def methods(samples: jax.Array, probe: Probe, factor: int, rng: np.random.Generator):
    """Levels by name, and the share of the power that is unknown."""
    mean, variance = (np.asarray(each) for each in known(samples, probe, factor))
    power = 10 ** (TISSUE_DB / 10)
    scaled = np.maximum(variance * power, 1e-9)
    normal = rng.standard_normal((2, *mean.shape)) * np.sqrt(scaled / 2)
    drawn = mean + normal[0] + 1j * normal[1]
    images = {
        "mean": mean_level(mean, scaled),
        "draw": shown(jnp.asarray(drawn), WINDOW),
    }
    images |= dict(interpolated(samples, factor))
    truth = shown(samples, WINDOW)
    images = {
        name: jnp.asarray(image).at[:, ::factor].set(truth[:, ::factor])
        for name, image in images.items()
    }
    missing = np.arange(variance.shape[1]) % factor > 0
    return truth, images, float(variance[:, missing].mean())


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument(
        "--csv", default=pathlib.Path(__file__).with_name("beams_bound.csv")
    )
    options = parser.parse_args()
    rows, rng = [], np.random.default_rng(0)
    for array, probe in ARRAYS.items():
        deepest = probe.sample_mm * SHAPE[0]
        for factor in FACTORS:
            found: dict[str, list] = {}
            for index in range(options.images):
                key, how = jax.random.split(jax.random.key(index))
                other = varied(how, probe, deepest_mm=deepest)
                samples = speckle(key, other, SHAPE)
                truth, images, unknown = methods(samples, other, factor, rng)
                for name, image in {"truth": truth, **images}.items():
                    error = max(float(jnp.mean(jnp.square(image - truth))), 1e-10)
                    envelope = 10 ** (3 * (image - 1))
                    snr = float(envelope.mean() / envelope.std())
                    numbers = -10 * np.log10(error), snr, unknown
                    found.setdefault(name, []).append(numbers)
            for name, numbers in found.items():
                means = np.mean(numbers, 0).round(4).tolist()
                rows.append([array, factor, name, *means])
                print(*rows[-1], flush=True)
    with open(options.csv, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        fields = "array factor method psnr speckle_snr variance".split()
        writer.writerows([fields, *rows])


if __name__ == "__main__":
    main()
