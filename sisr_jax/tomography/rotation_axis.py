"""Where the rotation axis of a parallel scan is, and views that are moved onto it.

Positions are detector numbers from 0, with fractions. A scanner's axis is some
detectors beside the middle; `ParallelBeam` has it on detector `num_detectors // 2`.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real

from sisr_jax.geometries import whole_number
from sisr_jax.reals import as_real, check_real

# Of the detectors: the least part of two views that is compared.
_OVERLAP = 0.5


def axis_from_moments(
    sinogram: Real[Array | np.ndarray, "angles detectors"],
    *,
    angles: Real[Array | np.ndarray, " as_many"],
) -> float:
    """Finds the axis by the centres of mass of the views.

    They follow `axis + x cos(angle) + y sin(angle)`, with `(x, y)` the object's centre
    of mass (Azevedo et al., "Calculation of the rotational centers in computed
    tomography sinograms", IEEE Trans. Nuclear Science 37(4), 1990): least squares for
    the three. Every view counts, so noise hardly matters; but the object must be within
    all views, in air that reads 0.

    Args:
        sinogram: Line integrals.
        angles: Of the views, in radians; half a turn is the best.

    Returns:
        The position, computed in float64 on the host.

    Raises:
        ValueError: If the numbers of views and angles differ, the angles are too few or
            alike to tell, or a view has no mass.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import axis_from_moments
        >>> angles = np.linspace(0, np.pi, 12, endpoint=False)
        >>> seen_at = 9.5 + 3 * np.cos(angles)  # a thread, off the axis by 3 detectors
        >>> sinogram = np.exp(-((np.arange(20) - seen_at[:, None]) ** 2))
        >>> round(axis_from_moments(sinogram, angles=angles), 3)
        9.5
    """
    values, radians = _doubles(sinogram, "sinogram"), np.asarray(angles, np.float64)
    if radians.shape != values.shape[:1]:
        raise ValueError(f"{len(radians)} angles: expected one for each view")
    mass = values.sum(1)
    if not (mass > 0).all():
        raise ValueError("a view without mass: expected line integrals of an object")
    centres = values @ np.arange(values.shape[1]) / mass
    wave = np.stack([np.ones_like(radians), np.cos(radians), np.sin(radians)], 1)
    found, _, rank, _ = np.linalg.lstsq(wave, centres, rcond=1e-6)
    if rank < 3:
        raise ValueError(f"{len(radians)} angles: expected at least 3 different ones")
    return float(found[0])


def axis_from_pair(
    view: Real[Array | np.ndarray, " detectors"],
    opposite: Real[Array | np.ndarray, " as_many"],
) -> float:
    """Finds the axis by two views half a turn apart, which mirror each other.

    The position about which their mean squared difference is least, over the detectors
    that both have, among all halves of a detector; then the vertex of the parabola
    through it and its neighbours. An object that is wider than the detectors may be
    measured so.

    Args:
        view: Line integrals.
        opposite: Those half a turn later. Views that are a degree off move the result
            by about the object's excursion in that degree.

    Returns:
        The position, within the middle half of the detectors.

    Raises:
        ValueError: If the views have different lengths, or fewer than 8 detectors.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import axis_from_pair
        >>> view = np.exp(-((np.arange(20) - 12) ** 2))  # a thread, seen by detector 12
        >>> opposite = np.exp(-((np.arange(20) - 7) ** 2))  # and by 7
        >>> round(axis_from_pair(view, opposite), 3)
        9.5
    """
    first, second = (_doubles(each, "view") for each in (view, opposite))
    if first.shape != second.shape or len(first) < 8:
        raise ValueError(
            f"views of {len(first)} and {len(second)} detectors: expected as many in "
            "both, at least 8"
        )
    count, mirrored = len(first), second[::-1]
    # Mirrored about `axis`, detector i lies at `2 axis - i`: a shift of whole detectors
    # for halves.
    furthest = int(count * (1 - _OVERLAP))
    shifts = np.arange(-furthest, furthest + 1)
    errors = np.array(
        [
            np.mean(
                np.square(
                    first[max(0, shift) : count + min(0, shift)]
                    - mirrored[max(0, -shift) : count - max(0, shift)]
                )
            )
            for shift in shifts
        ]
    )
    best = int(np.clip(errors.argmin(), 1, len(errors) - 2))
    before, least, after = errors[best - 1 : best + 2]
    bend = before - 2 * least + after
    fraction = 0.5 * (before - after) / bend if bend > 0 else 0.0
    return float((count - 1 + shifts[best] + np.clip(fraction, -1, 1)) / 2)


def onto_axis(
    sinogram: Real[Array | np.ndarray, "*batch angles detectors"],
    *,
    axis: float | Float[Array, ""],
    num_detectors: int,
) -> Float[Array, "*batch angles {num_detectors}"]:
    """Moves views so that the axis is on detector `num_detectors // 2`.

    By linear interpolation, which blurs by up to half a detector; detectors that were
    not there read 0, as air.

    Args:
        sinogram: Line integrals.
        axis: Position of the axis, as found.
        num_detectors: Of the result: `ParallelBeam(...).num_detectors`.

    Raises:
        TypeError: If `num_detectors` is no whole number.
        ValueError: If there is to be no detector.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.tomography import onto_axis
        >>> view = np.array([[0.0, 0.0, 4.0, 2.0, 0.0]])
        >>> print(onto_axis(view, axis=2.0, num_detectors=7))  # 2 becomes 7 // 2
        [[0. 0. 0. 4. 2. 0. 0.]]
    """
    num_detectors = whole_number("num_detectors", num_detectors, "detectors", least=1)
    values = as_real(sinogram, "sinogram")
    values = jnp.pad(values, [(0, 0)] * (values.ndim - 1) + [(1, 1)])
    last = values.shape[-1] - 1
    wanted = jnp.arange(num_detectors) - num_detectors // 2 + axis + 1
    wanted = jnp.clip(wanted, 0, last)
    left = jnp.minimum(jnp.floor(wanted).astype(int), last - 1)
    share = (wanted - left).astype(values.dtype)
    return (1 - share) * values[..., left] + share * values[..., left + 1]


def _doubles(values: Real[Array | np.ndarray, "..."], name: str) -> np.ndarray:
    check_real(values, name)
    return np.asarray(values, np.float64)
