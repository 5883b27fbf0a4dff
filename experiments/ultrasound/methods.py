"""What fills in missing columns: interpolations, total variation, wavelets, networks.

A method takes the kept columns `[batch, height, kept]` and `LateralDecimation`, and
returns images `[batch, height, width]`, not clipped.
"""

import functools
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ultrasound import wavelets
from experiments.ultrasound.recipes import RECIPES
from experiments.ultrasound.train import load_params
from sisr_jax.image.resize import (
    Interpolation,
    aligned_columns,
    half_pixel_columns,
)
from sisr_jax.inference import Restorer
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.ultrasound import LateralDecimation

Method = Callable[[jax.Array, LateralDecimation], jax.Array]

# The smallest that `tune` tried: on validation frames the smaller the better.
TV_WEIGHTS = dict.fromkeys((2, 4, 8, 16), 1e-5)
# Likewise.
WAVELET_THRESHOLD = 0.01


def aligned(
    lines: jax.Array, operator: LateralDecimation, *, interpolation: Interpolation
) -> jax.Array:
    """Interpolation of columns at their places."""
    return aligned_columns(
        lines[..., None],
        factor=operator.factor,
        offset=operator.offset,
        interpolation=interpolation,
    )[..., 0]


def half_pixel(lines: jax.Array, operator: LateralDecimation) -> jax.Array:
    """The bicubic of published tables, which shifts the image."""
    return half_pixel_columns(lines[..., None], factor=operator.factor)[..., 0]


@functools.partial(jax.jit, static_argnames="weight")
def variation(
    lines: jax.Array, operator: LateralDecimation, *, weight: float | None = None
) -> jax.Array:
    """Total variation, from the cubic interpolation on."""
    return total_variation(
        lines,
        operator,
        weight=TV_WEIGHTS[operator.factor] if weight is None else weight,
        start=aligned(lines, operator, interpolation="cubic"),
    )


def sparse(
    lines: jax.Array,
    operator: LateralDecimation,
    *,
    threshold: float = WAVELET_THRESHOLD,
) -> jax.Array:
    """Sparsity in wavelets, from the cubic interpolation on."""
    start = aligned(lines, operator, interpolation="cubic")
    kept = np.arange(start.shape[-1]) % operator.factor == operator.offset
    return jnp.asarray(wavelets.fill_in(np.asarray(start), kept, threshold))


CLASSICAL: dict[str, Method] = {
    "Nearest": functools.partial(aligned, interpolation="nearest"),
    "Linear": functools.partial(aligned, interpolation="linear"),
    "Bicubic": functools.partial(aligned, interpolation="cubic"),
    "Bicubic (half-pixel)": half_pixel,
    "Lanczos": functools.partial(aligned, interpolation="lanczos"),
    "Total variation": variation,
    "Wavelets": sparse,
}


def trained(run: pathlib.Path, recipe: str, factor: int) -> Method:
    """A network of a run for one factor."""
    network = RECIPES[recipe].network(factor)
    variables = jax.tree.map(jnp.asarray, {"params": load_params(run)})

    @jax.jit
    def restore(lines: jax.Array, operator: LateralDecimation) -> jax.Array:
        arguments = lines[..., None], lines, operator
        return network.apply(variables, *arguments, train=False)[..., 0]

    return restore


def shipped(restorer: Restorer) -> Method:
    """A restorer as a method."""
    return lambda lines, operator: restorer(measurement=lines, operator=operator).image
