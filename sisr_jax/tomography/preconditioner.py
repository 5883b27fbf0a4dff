"""Filters of views that make descents on `||A x - y||^2` converge in few steps."""

import functools
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.tomography.filters import cosine_transform, saturating_ramp

# Where the ramp levels off, in units of `1 / (width * gap)`, see
# `ParallelBeamCT.precondition`.
SATURATION = 0.7


def saturating_ramp_filter(
    views: Float[Array, "*batch angles detectors"],
    weights: Float[np.ndarray | Array, "*batch_or_none angles"],
    saturation: Float[np.ndarray | Array, "*batch_or_none angles"],
    response: Callable[[np.ndarray], np.ndarray] = np.ones_like,
) -> Float[Array, "*batch angles detectors"]:
    """Filters every view with a ramp that levels off: symmetric, positive.

    Args:
        views: What to filter.
        weights: What each view is multiplied with.
        saturation: Where its ramp levels off, in cycles per detector.
        response: What else frequencies, in cycles per detector, are multiplied with.
    """
    matrix, frequency = cosine_transform(views.shape[-1])
    gain = weights[..., None] * saturating_ramp(frequency, saturation[..., None])
    gain = gain * response(frequency)
    matrix = jnp.asarray(matrix, views.dtype)

    # A TPU would round the factors to bfloat16 otherwise.
    product = functools.partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    spectrum = product("...d,fd->...f", views, matrix)
    spectrum *= jnp.asarray(gain, views.dtype)
    return product("...f,fd->...d", spectrum, matrix)
