"""Single values and single detectors that are wrong: bright spots and rings."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import whole_number
from sisr_jax.reals import as_real


def remove_outliers(
    views: Real[Array | np.ndarray, "*batch angles detectors"],
    *,
    threshold: float,
    reach: int = 1,
) -> Float[Array, "*batch angles detectors"]:
    """Replaces values that are far from the median around them by that median.

    For what one view has alone: an X-ray that hits the camera itself, a flaw of the
    transfer. A detector that is always wrong is not seen, see `remove_rings`.

    Args:
        views: Counts, or line integrals.
        threshold: Least distance from the median, in units of the values, above 0:
            several deviations of the noise. An edge within the object is a step, which
            a median keeps.
        reach: Neighbours to each side, along the angle and the detectors: a square of
            `2 * reach + 1`, continued by the values of the border.

    Returns:
        The views; what is not an outlier is unchanged, as float32 or float64.

    Raises:
        TypeError: If the reach is no whole number.
        ValueError: If the threshold is not above 0 or the reach is below 1.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import remove_outliers
        >>> views = np.full((3, 4), 2.0)
        >>> views[1, 2] = 50
        >>> print(remove_outliers(views, threshold=1.0)[1])
        [2. 2. 2. 2.]
    """
    if not threshold > 0:
        raise ValueError(f"threshold = {threshold}: expected a distance above 0")
    reach = whole_number("reach", reach, "neighbours", least=1)
    values = as_real(views, "views")
    angles, detectors = values.shape[-2:]
    padded = _continued(_continued(values, reach, -2), reach, -1)
    window = range(2 * reach + 1)
    around = [
        padded[..., down : down + angles, right : right + detectors]
        for down in window
        for right in window
    ]
    median = jnp.median(jnp.stack(around), axis=0)
    return jnp.where(jnp.abs(values - median) > threshold, median, values)


def remove_rings(
    sinogram: Real[Array | np.ndarray, "*batch angles detectors"], *, width: int
) -> Float[Array, "*batch angles detectors"]:
    """Evens out detectors that read otherwise than their neighbours in every view.

    Reconstructed, such a detector is a ring, or half of one. The values of each
    detector are put in order, a median goes across the detectors rank by rank, and
    what comes out goes back to the views: neighbours see nearly the same values in the
    course of a turn, though not in the same view. Algorithm 3 of Vo, Atwood &
    Drakopoulos, "Superior techniques for eliminating ring artifacts in X-ray
    micro-tomography", Optics Express 26(22), 2018.

    Args:
        sinogram: Line integrals, all views.
        width: Detectors that the median takes, odd and at least 3: more than twice as
            many as are wrong side by side. True rings of that width go, too.

    Returns:
        A sinogram of the same shape.

    Raises:
        TypeError: If the width is no whole number.
        ValueError: If the width is even or below 3.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import remove_rings
        >>> views = np.full((3, 6), 2.0)
        >>> views[:, 2] += 0.5  # a detector that always reads too much
        >>> print(remove_rings(views, width=3)[1])
        [2. 2. 2. 2. 2. 2.]
    """
    width = whole_number("width", width, "detectors")
    if width < 3 or width % 2 == 0:
        raise ValueError(f"width = {width}: expected an odd number of at least 3")
    values = as_real(sinogram, "sinogram")
    order = jnp.argsort(values, axis=-2)
    ranked = jnp.take_along_axis(values, order, axis=-2)
    padded = _continued(ranked, width // 2, -1)
    detectors = values.shape[-1]
    around = [padded[..., first : first + detectors] for first in range(width)]
    median = jnp.median(jnp.stack(around), axis=0)
    return jnp.take_along_axis(median, jnp.argsort(order, axis=-2), axis=-2)


def _continued(values: Array, reach: int, axis: int) -> Array:
    """Continued beyond both ends by the values that are there."""
    widths = [(0, 0)] * values.ndim
    widths[axis] = (reach, reach)
    return jnp.pad(values, widths, mode="edge")
