"""Fills in the views that sparse-view CT left out, from the kept ones beside them.

A parallel beam sees the same rays half a turn later from the other end:
`p(angle + pi, s) = p(angle, -s)`. Mirrored views therefore continue the kept
ones on both sides, and no view is ever extrapolated.
"""

from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Real

from sisr_jax.tomography import ParallelBeam
from sisr_jax.tomography.geometry import as_sinogram
from sisr_jax.types import Sinogram

Interpolation = Literal["linear", "cubic"]

# Kept views around a missing one that it is made of.
NUM_TAPS = {"linear": 2, "cubic": 4}


def fill_views(
    sinogram: Real[Array | np.ndarray, "*batch angles detectors"],
    *,
    kept: ParallelBeam,
    full: ParallelBeam,
    method: Interpolation,
) -> Sinogram:
    """Interpolates along the angle, detector by detector.

    `linear` takes the two nearest kept views, `cubic` the polynomial through the
    nearest four (Lagrange). Gaps may be of different width. Kept views that are
    also in `full` pass through unchanged.

    Args:
        sinogram: `[..., kept views, detectors]`; float64 stays float64, everything else
            becomes float32.
        kept: The rays of `sinogram`; angles rise within half a turn.
        full: The rays wanted, of the same size.
        method: `linear` or `cubic`.

    Returns:
        `[..., full views, detectors]`.

    Raises:
        ValueError: If the method is unknown, a shape or the sizes differ, the kept
            angles do not rise within half a turn or are fewer than the taps.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.view_interpolation import fill_views
        >>> from sisr_jax.tomography import ParallelBeam, radon
        >>> full = ParallelBeam(size=16, num_angles=24)
        >>> kept, at = full.every(4), np.arange(16) - 8
        >>> views = radon(np.exp(-(at[:, None] ** 2 + at**2) / 8), full)
        >>> filled = fill_views(views[::4], kept=kept, full=full, method="cubic")
        >>> filled.shape, bool(abs(filled - views).max() < 0.01)
        ((24, 23), True)
    """
    if method not in NUM_TAPS:
        raise ValueError(f"method = {method!r}: expected 'linear' or 'cubic'")
    if kept.size != full.size:
        raise ValueError(f"kept.size = {kept.size}: expected {full.size} as in full")
    direct, mirrored = _weights(kept.angles, full.angles, NUM_TAPS[method])
    sinogram = as_sinogram(sinogram, kept)
    return _combine(direct, sinogram) + _combine(mirrored, mirror(sinogram))


def mirror(sinogram: Sinogram) -> Sinogram:
    """The same views half a turn later: detector offset `s` becomes `-s`.

    Offset 0 is detector `num_detectors // 2`. An even number of detectors has no
    counterpart of its first one, which lies outside the image: it reads 0.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.view_interpolation import mirror
        >>> print(mirror(np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])))
        [[5. 4. 3. 2. 1.]]
    """
    flipped = jnp.flip(sinogram, axis=-1)
    if sinogram.shape[-1] % 2:
        return flipped
    return jnp.roll(flipped, 1, axis=-1).at[..., 0].set(0.0)


def _combine(weights: np.ndarray, sinogram: Sinogram) -> Sinogram:
    # HIGHEST: a TPU would round the factors to bfloat16 otherwise.
    matrix = jnp.asarray(weights, sinogram.dtype)
    return jnp.matmul(matrix, sinogram, precision=lax.Precision.HIGHEST)


def _weights(
    kept: np.ndarray, wanted: np.ndarray, num_taps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Matrices `[wanted, kept]` for the views and for the mirrored views."""
    count = len(kept)
    if count < num_taps:
        raise ValueError(f"{count} kept views: expected at least {num_taps}")
    if (np.diff(kept) <= 0).any() or kept[-1] - kept[0] >= np.pi:
        raise ValueError("kept angles: expected rising ones within half a turn")
    # Node n is kept view n modulo count, after n // count half turns.
    half_turns = np.floor((wanted - kept[0]) / np.pi)
    first = np.searchsorted(kept, wanted - half_turns * np.pi, side="right") - 1
    node = (first - num_taps // 2 + 1)[:, None] + np.arange(num_taps)
    turn, view = np.divmod(node, count)
    # Angle to go from each node to the wanted view.
    distance = (wanted - half_turns * np.pi)[:, None] - (kept[view] + turn * np.pi)
    share = np.ones(distance.shape)
    for i in range(num_taps):
        for j in range(num_taps):
            if i != j:
                share[:, i] *= distance[:, j] / (distance[:, j] - distance[:, i])
    is_mirrored = (turn + half_turns[:, None].astype(int)) % 2 == 1
    matrices = np.zeros((2, len(wanted), count))
    row = np.broadcast_to(np.arange(len(wanted))[:, None], view.shape)
    np.add.at(matrices, (is_mirrored.astype(int), row, view), share)
    return matrices[0], matrices[1]
