"""Images that a network starts from: total variation by its weight, and linear."""

import itertools
import math
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_real
from sisr_jax.reconstruction.total_variation import total_variation

# The weight that is best for 63, 125 and 250 views of 512 x 512 pixels (1e-4, 5e-5,
# 2e-5, see `experiments/baselines`) is about this power of pixels over measurements.
_SCALE, _POWER = 1.34e-5, 1.15
# A third of the iterations that converge: the rest is left to the network.
_ITERATIONS, _LAST_ITERATIONS, _INNER = 36, 8, 3


def linear_estimate(
    y: Float[Array, "..."], A: LinearOperator
) -> Float[Array, "*batch height width"]:
    """Filtered back-projection where the operator has an `fbp`, else `A^T P y`.

    Args:
        y: Measurements, `[*batch, *range_shape]`.
        A: The operator.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.starts import linear_estimate
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> print(linear_estimate(np.ones((1, 2)), LateralDecimation(factor=2)))
        [[1. 0. 1. 0.]]
    """
    fbp = getattr(A, "fbp", None)
    return A.T(A.precondition(y)) if fbp is None else fbp(y)


def starts(
    y: Float[Array, "..."],
    A: LinearOperator,
    *,
    multiples: Sequence[float] = (1.0, 5.0),
) -> Float[Array, "*batch height width {len(multiples)}+1"]:
    """Reconstructs by total variation with several weights, and linearly.

    Images on a path of falling weights, each from the one before: a small weight keeps
    the texture of a slice with its streaks, a large one wipes out both. With noise,
    still larger ones are the good ones; which does not have to be known.

    Args:
        y: Measurements, `[*batch, *range_shape]`.
        A: The operator; its domain are images, and values lie in [0, 1].
        multiples: Of the weight that is best for so many measurements without noise,
            ascending.

    Returns:
        A channel for each weight, then `linear_estimate`.

    Raises:
        ValueError: If a shape does not fit, the domain are no images, or the multiples
            do not ascend from above 0.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.starts import starts
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> y = np.full((16, 4), 0.5, np.float32)
        >>> images = starts(y, LateralDecimation(factor=4))
        >>> images.shape
        (16, 16, 3)
        >>> print(images[8, 8:12, -1])  # the linear one
        [0.5 0.  0.  0. ]
    """
    falling = list(reversed(multiples))
    if not all(a > b for a, b in itertools.pairwise([*falling, 0])) or not falling:
        raise ValueError(f"multiples = {multiples}: expected to ascend from above 0")
    y = as_real(y, "y")
    linear = linear_estimate(y, A)
    measured = math.prod(y.shape[linear.ndim - 2 :]) * A.measured_share
    weight = _SCALE * (math.prod(linear.shape[-2:]) / measured) ** _POWER
    share = _ITERATIONS // max(1, len(falling) - 1)
    images = [linear]
    for number, multiple in enumerate(falling):
        is_first, is_last = number == 0, number == len(falling) - 1
        image = total_variation(
            y,
            A,
            weight=multiple * weight,
            num_iterations=_LAST_ITERATIONS if is_last and not is_first else share,
            num_inner=_INNER,
            start=None if is_first else images[0],
            continuation=8.0 if is_first else 1.0,
        )
        images.insert(0, image)
    return jnp.stack(images, -1)
