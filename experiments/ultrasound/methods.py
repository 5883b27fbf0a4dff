"""What fills in missing columns: interpolations, total variation and networks.

A method takes the kept columns `[batch, height, kept]` and `LateralDecimation`, and
returns images `[batch, height, width]`, not clipped.
"""

import functools
import pathlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.recipes import RECIPES
from experiments.ultrasound.train import load_params
from sisr_jax.image.resize import aligned_columns, half_pixel_columns
from sisr_jax.inference import Restorer
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.ultrasound import LateralDecimation

Method = Callable[[jax.Array, LateralDecimation], jax.Array]

# Lobes on each side, in kept columns.
_LANCZOS = 3
# The smallest that `tune` tried: on validation frames the smaller the better.
TV_WEIGHTS = dict.fromkeys((2, 4, 8, 16), 1e-5)


def aligned(
    lines: jax.Array, operator: LateralDecimation, *, interpolation: str
) -> jax.Array:
    """Interpolation of columns at their places."""
    return aligned_columns(
        lines[..., None],
        factor=operator.factor,
        offset=operator.offset,
        interpolation=interpolation,  # type: ignore[arg-type]
    )[..., 0]


def half_pixel(lines: jax.Array, operator: LateralDecimation) -> jax.Array:
    """The bicubic of published tables, which shifts the image."""
    return half_pixel_columns(lines[..., None], factor=operator.factor)[..., 0]


def nearest(lines: jax.Array, operator: LateralDecimation) -> jax.Array:
    """The kept column that is nearest, the left one of two."""
    position = _positions(lines.shape[-1], operator)
    index = np.ceil(position - 0.5).astype(int)
    return lines[..., index.clip(0, lines.shape[-1] - 1)]


def lanczos(lines: jax.Array, operator: LateralDecimation) -> jax.Array:
    """Windowed sinc of three lobes; its weights sum to 1, edges are continued."""
    kept = lines.shape[-1]
    position = _positions(kept, operator)
    taps = np.floor(position).astype(int)[:, None] + np.arange(
        1 - _LANCZOS, 1 + _LANCZOS
    )
    distance = position[:, None] - taps
    weights = np.sinc(distance) * np.sinc(distance / _LANCZOS)
    weights /= weights.sum(1, keepdims=True)
    matrix = np.zeros((len(position), kept), np.float32)
    rows = np.arange(len(position))[:, None]
    np.add.at(matrix, (rows, taps.clip(0, kept - 1)), weights)
    return jnp.einsum("...hk,wk->...hw", lines, matrix)


def _positions(kept: int, operator: LateralDecimation) -> np.ndarray:
    """Of all columns, in units of kept ones."""
    return (np.arange(kept * operator.factor) - operator.offset) / operator.factor


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


INTERPOLATIONS: dict[str, Method] = {
    "Nearest": nearest,
    "Linear": functools.partial(aligned, interpolation="linear"),
    "Bicubic": functools.partial(aligned, interpolation="cubic"),
    "Bicubic (half-pixel)": half_pixel,
    "Lanczos": lanczos,
    "Total variation": variation,
}


def trained(run: pathlib.Path, recipe: str, factor: int) -> Method:
    """A network of a run for one factor."""
    network = RECIPES[recipe].network(factor)
    variables = jax.tree.map(jnp.asarray, {"params": load_params(run)})

    @jax.jit
    def restore(lines: jax.Array, operator: LateralDecimation) -> jax.Array:
        arguments = lines[..., None], lines, operator
        return network.apply(variables, *arguments, train=False)[..., 0]  # type: ignore[index]

    return restore


def shipped(restorer: Restorer) -> Method:
    """A restorer as a method."""
    return lambda lines, operator: restorer(measurement=lines, operator=operator).image
