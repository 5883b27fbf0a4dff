"""How well an image explains what was measured of it."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.reals import as_real


def residual(
    projected: Real[Array | np.ndarray, "..."],
    measured: Real[Array | np.ndarray, "*batch rows columns"],
) -> Float[Array, "*batch"]:
    """How far an estimate is from what was measured: `||A x - y|| / ||y||`.

    Args:
        projected: The estimate sent through the acquisition, `[*batch, rows, columns]`:
            views and detectors, or lines and samples.
        measured: What was measured, same shape.

    Returns:
        `[*batch]`, float32; 0 for an estimate that explains the measurement entirely,
        where the gradient is 0; infinite if nothing but zeros was measured of another.

    Raises:
        ValueError: If the shapes differ.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.metrics import residual
        >>> measured = np.ones((24, 23))
        >>> print(f"{residual(1.1 * measured, measured):.3f}")
        0.100
    """
    if projected.shape != measured.shape:
        raise ValueError(
            f"projected {projected.shape}, measured {measured.shape}: expected equal "
            "shapes"
        )
    projected = as_real(projected, "projected", jnp.float32)
    measured = as_real(measured, "measured", jnp.float32)
    error = jnp.sum(jnp.square(projected - measured), axis=(-2, -1))
    size = jnp.sum(jnp.square(measured), axis=(-2, -1))
    equal = error == 0
    # As in `rmse`: the slope of the root is infinite at 0, and 0 / 0 is no number.
    share = jnp.where(equal, 1.0, error) / jnp.where(equal, 1.0, size)
    return jnp.where(equal, 0.0, jnp.sqrt(share))
