"""Total-variation reconstruction: the classical method that a network has to beat.

Minimises, over images with pixels in [0, 1],

    ||A x - y||^2 / (2 ||A||^2) + weight * TV(x)

with A the projection, y the measured views and TV the sum over pixels of the
length of the forward-difference gradient (isotropic). FISTA (Beck & Teboulle,
SIAM J. Imaging Sciences 2009) on the data term; the proximal step of TV over the
box by fast gradient projection on its dual (the same authors, IEEE TIP 2009,
algorithm FGP), started from the dual of the step before.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

from sisr_jax.tomography import ParallelBeam, PlannedBeam, back_project, fbp, radon
from sisr_jax.tomography.radon import Method, without_plan
from sisr_jax.types import Sinogram, SquarePlane

_POWER_ITERATIONS = 8

# Two planes: stacked in one array they would be copied at every step.
_Field = tuple[Array, Array]  # along the rows, along the columns
_Outer = tuple[Array, Array, _Field, Array]  # image, ahead, dual, momentum
_Inner = tuple[_Field, _Field, Array]  # dual, ahead, momentum


class Settings(NamedTuple):
    """How far and how strongly to regularise; part of every published number.

    Attributes:
        weight: Of TV against the data term of the unit operator `A / ||A||`.
        num_iterations: Outer steps: a projection and a back-projection each.
        num_inner: Dual steps of each proximal map.
    """

    weight: float = 1e-4
    num_iterations: int = 60
    num_inner: int = 10


def operator_norm(beam: ParallelBeam | PlannedBeam, method: Method = "matmul") -> Array:
    """Largest singular value of the projection, by power iteration.

    A projection has no negative weights, so neither has its first singular
    vector, and a start from ones converges in a few iterations, from below.
    """
    size = without_plan(beam).size

    def multiply(image: Array, _: None) -> tuple[Array, Array]:
        image = back_project(radon(image, beam, method=method), beam, method=method)
        norm = jnp.linalg.norm(image)
        return image / norm, norm

    start = jnp.full((size, size), 1.0 / size)
    return jnp.sqrt(lax.scan(multiply, start, length=_POWER_ITERATIONS)[1][-1])


def _old(
    beam: ParallelBeam | PlannedBeam, settings: Settings, method: Method = "matmul"
) -> Callable[[Sinogram], SquarePlane]:
    """Builds the reconstruction from the views of one beam.

    The number of iterations is fixed, so the result depends on nothing but the
    views. The first image is the filtered back-projection (Hann).

    Args:
        beam: The rays; planned ones may be an argument of the caller's `jit`.
        settings: See the class.
        method: How rays are integrated, see `tomography.radon`.

    Returns:
        A function of `[..., views, detectors]` to images in [0, 1].

    Raises:
        ValueError: If the weight is negative or a number of steps is below 1.
    """
    if settings.weight < 0 or min(settings.num_iterations, settings.num_inner) < 1:
        raise ValueError(f"{settings}: expected weight >= 0 and at least 1 iteration")
    # 1 %: the power iteration may not quite have arrived.
    lipschitz = (1.01 * operator_norm(beam, method)) ** 2

    def reconstruct(sinogram: Sinogram) -> SquarePlane:
        def step(_: Array, state: _Outer) -> _Outer:
            image, ahead, dual, momentum = state
            error = radon(ahead, beam, method=method) - sinogram
            gradient = back_project(error, beam, method=method) / lipschitz
            new, dual = _denoise(ahead - gradient, dual, settings)
            following = _next_momentum(momentum)
            ahead = new + (momentum - 1) / following * (new - image)
            return new, ahead, dual, following

        first = jnp.clip(
            fbp(sinogram, beam, filter_name="hann", method=method), 0.0, 1.0
        )
        zeros = jnp.zeros_like(first)
        state = first, first, (zeros, zeros), jnp.ones((), first.dtype)
        return lax.fori_loop(0, settings.num_iterations, step, state)[0]

    return reconstruct


def _denoise(image: Array, dual: _Field, settings: Settings) -> tuple[Array, _Field]:
    """Proximal map of `weight * TV` over the box, and the dual that gives it."""
    weight = settings.weight

    def primal(dual: _Field) -> Array:
        return jnp.clip(image + weight * _divergence(dual), 0.0, 1.0)

    def step(_: Array, state: _Inner) -> _Inner:
        dual, ahead, momentum = state
        # 8 bounds the squared norm of the gradient in two dimensions.
        rate = 1 / (8 * max(weight, 1e-12))
        down, right = (
            old + rate * slope
            for old, slope in zip(ahead, _gradient(primal(ahead)), strict=True)
        )
        shrink = lax.rsqrt(jnp.maximum(1.0, down**2 + right**2))
        new = down * shrink, right * shrink
        following = _next_momentum(momentum)
        further = (momentum - 1) / following
        down, right = (n + further * (n - d) for n, d in zip(new, dual, strict=True))
        return new, (down, right), following

    state = dual, dual, jnp.ones((), image.dtype)
    dual = lax.fori_loop(0, settings.num_inner, step, state)[0]
    return primal(dual), dual


def _next_momentum(momentum: Array) -> Array:
    return (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2


def _gradient(image: Array) -> _Field:
    """Forward differences along rows and columns; 0 at the far edges."""
    down = jnp.diff(image, axis=-2)
    right = jnp.diff(image, axis=-1)
    return _pad(down, -2, 0, 1), _pad(right, -1, 0, 1)


def _divergence(field: _Field) -> Array:
    """Minus the transpose of `_gradient`, of fields that are 0 at the far edges."""
    down, right = field
    above = _pad(down[..., :-1, :], -2, 1, 0)
    before = _pad(right[..., :, :-1], -1, 1, 0)
    return down - above + right - before


def _pad(plane: Array, axis: int, before: int, after: int) -> Array:
    widths = [(0, 0)] * plane.ndim
    widths[axis] = (before, after)
    return jnp.pad(plane, widths)


def total_variation(y, A, *, weight, num_iterations):
    return _old(A.beam, Settings(weight, num_iterations), A.method)(y)
