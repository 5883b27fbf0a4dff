"""The sparse scan, the classical starts and the data-consistency step.

All descents use the data term `(A x - y)^T P (A x - y) / 2`, with `P` the ramp filter
of back-projection, level from a low frequency on: a plain descent is bound to the low
frequencies, where `A^T A` is large, and takes very long over the others; the full ramp
is bound to high ones, where few views leave gaps.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from sisr_jax.tomography import ParallelBeam, ParallelBeamCT, angular_weights
from sisr_jax.tomography.filters import padded_length

# Cycles per detector; and a bound of ||A^T P A|| that belongs to it (measured 1.32).
CUTOFF = 0.025
_BOUND = 1.33


class Scan(NamedTuple):
    """A scan: its operator and its preconditioner."""

    operator: ParallelBeamCT
    filter: Array  # [detectors, detectors]
    weights: Array  # [views, 1]

    def precondition(self, residual: Array) -> Array:
        """`P r` of `[..., views, detectors]`."""
        filtered = jnp.matmul(residual, self.filter, precision=lax.Precision.HIGHEST)
        return filtered * self.weights

    def gradient(self, image: Array, measured: Array) -> Array:
        """`A^T P (A x - y)`, of images `[..., size, size]`."""
        error = self.operator(image) - measured
        return self.operator.T(self.precondition(error))


def make_scan(*, size: int, full: int, factor: int) -> Scan:
    """Every `factor`-th of `full` equispaced views."""
    beam = ParallelBeam(size, full).every(factor)
    length = padded_length(beam.num_detectors)
    response = 2 * np.minimum(np.arange(length // 2 + 1) / length, CUTOFF)
    impulse = np.fft.irfft(response, length)
    detector = np.arange(beam.num_detectors)
    matrix = impulse[np.abs(detector[:, None] - detector)] / _BOUND
    weights = angular_weights(beam)[:, None] / 2
    return Scan(
        ParallelBeamCT(beam),
        jnp.asarray(matrix, jnp.float32),
        jnp.asarray(weights, jnp.float32),
    )


def make_consistent(
    scan: Scan, image: Array, measured: Array, *, num_steps: int
) -> Array:
    """Moves images to the measured views, within [0, 1] (FISTA, Beck & Teboulle 2009).

    Args:
        scan: The scan.
        image: `[..., size, size]`.
        measured: `[..., views, detectors]`.
        num_steps: Projections and back-projections.
    """

    def step(_: int, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        old, ahead, momentum = state
        new = jnp.clip(ahead - scan.gradient(ahead, measured), 0.0, 1.0)
        following = _next_momentum(momentum)
        return new, new + (momentum - 1) / following * (new - old), following

    image = jnp.clip(image, 0.0, 1.0)
    return lax.fori_loop(0, num_steps, step, (image, image, jnp.ones(())))[0]


def total_variation(
    scan: Scan,
    image: Array,
    measured: Array,
    *,
    weight: float,
    num_steps: int,
    num_inner: int = 4,
) -> Array:
    """Total variation with the preconditioned data term, from a first image."""

    def step(_: int, state: tuple) -> tuple:
        old, ahead, dual, momentum = state
        target = ahead - scan.gradient(ahead, measured)
        new, dual = _denoise(target, dual, weight, num_inner)
        following = _next_momentum(momentum)
        ahead = new + (momentum - 1) / following * (new - old)
        return new, ahead, dual, following

    image = jnp.clip(image, 0.0, 1.0)
    zeros = jnp.zeros_like(image)
    state = image, image, (zeros, zeros), jnp.ones(())
    return lax.fori_loop(0, num_steps, step, state)[0]


def _denoise(image: Array, dual: tuple, weight: float, num_inner: int) -> tuple:
    """Proximal map of `weight * TV` over the box (FGP, Beck & Teboulle 2009)."""

    def primal(dual: tuple) -> Array:
        return jnp.clip(image + weight * _divergence(*dual), 0.0, 1.0)

    def step(_: int, state: tuple) -> tuple:
        old, ahead, momentum = state
        slope = _slopes(primal(ahead))
        down, right = (a + s / (8 * weight) for a, s in zip(ahead, slope, strict=True))
        shrink = lax.rsqrt(jnp.maximum(1.0, down**2 + right**2))
        new = down * shrink, right * shrink
        following = _next_momentum(momentum)
        further = (momentum - 1) / following
        ahead = tuple(n + further * (n - o) for n, o in zip(new, old, strict=True))
        return new, ahead, following

    dual = lax.fori_loop(0, num_inner, step, (dual, dual, jnp.ones(())))[0]
    return primal(dual), dual


def _next_momentum(momentum: Array) -> Array:
    return (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2


def _slopes(image: Array) -> tuple[Array, Array]:
    zero = [(0, 0)] * (image.ndim - 2)
    down = jnp.pad(jnp.diff(image, axis=-2), [*zero, (0, 1), (0, 0)])
    return down, jnp.pad(jnp.diff(image, axis=-1), [*zero, (0, 0), (0, 1)])


def _divergence(down: Array, right: Array) -> Array:
    zero = [(0, 0)] * (down.ndim - 2)
    above = jnp.pad(down[..., :-1, :], [*zero, (1, 0), (0, 0)])
    before = jnp.pad(right[..., :, :-1], [*zero, (0, 0), (1, 0)])
    return down - above + right - before
