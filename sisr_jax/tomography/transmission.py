"""From counts of a detector to line integrals of the attenuation."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.reals import as_real


def line_integrals(
    counts: Real[Array | np.ndarray, "views rows detectors"],
    *,
    flat: Real[Array | np.ndarray, "frames rows detectors"],
    dark: Real[Array | np.ndarray, "dark_frames rows detectors"],
    least: float,
) -> Float[Array, "views rows detectors"]:
    """Takes `-log` of the share of the beam that passes (Beer and Lambert).

    `-log((counts - dark) / (flat - dark))`, with the means of both fields.

    Args:
        counts: With the object in the beam.
        flat: Frames of the beam alone.
        dark: Frames without beam, of any number.
        least: Smallest share that counts, above 0: rays of which noise leaves less, or
            nothing, become `-log(least)`. What a single photon is of the beam, or the
            noise of a dark frame.

    Returns:
        Line integrals without unit, float32 (float64 if something is): negative where
        more arrives than without object. NaN for detectors that are dead, whose flat
        field is not above the dark one.

    Raises:
        ValueError: If `least` is not between 0 and 1.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import line_integrals
        >>> dark, flat = np.full((1, 1, 3), 100.0), np.full((1, 1, 3), 1100.0)
        >>> counts = 100 + 1000 * np.exp(-np.array([[[1.0, 2.0, 3.0]]]))
        >>> print(line_integrals(counts, flat=flat, dark=dark, least=1e-3))
        [[[1. 2. 3.]]]
    """
    if not 0 < least < 1:
        raise ValueError(f"least = {least}: expected a share between 0 and 1")
    given = {"counts": counts, "flat": flat, "dark": dark}
    arrays = [as_real(each, name) for name, each in given.items()]
    dtype = jnp.result_type(*arrays)
    values, beam, offset = (each.astype(dtype) for each in arrays)
    offset = offset.mean(0)
    beam = beam.mean(0) - offset
    share = (values - offset) / jnp.where(beam > 0, beam, jnp.nan)
    return -jnp.log(jnp.maximum(share, least))
