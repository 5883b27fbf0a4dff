"""What of an image a measurement does not see."""

from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_real
from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient


def null_space(
    x: Float[Array, "..."], A: LinearOperator, *, num_steps: int = 30
) -> Float[Array, "..."]:
    """The part of an image that its measurement by `A` does not determine.

    Any multiple of it can be added to the image, and `A` measures the same. In a
    restored image it is what did not come from the measurement: from the prior of the
    method, right or wrong. The rest is the smallest image with the measurement of `x`
    (`conjugate_gradient` from zero), so that the two are orthogonal.

    Args:
        x: Images, `[*batch, *domain_shape]`.
        A: The operator.
        num_steps: Steps of `conjugate_gradient`. Fewer leave some of what is measured,
            of detail first.

    Returns:
        Images of the shape of `x`, of any sign.

    Raises:
        ValueError: If a shape does not fit, or there is no step.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.null_space import null_space
        >>> from sisr_jax.ultrasound import LateralDecimation
        >>> image = np.arange(1.0, 9.0, dtype=np.float32)[None]
        >>> print(null_space(image, LateralDecimation(factor=4)))
        [[0. 2. 3. 4. 0. 6. 7. 8.]]
    """
    x = as_real(x, "x")
    return x - conjugate_gradient(A(x), A, num_steps=num_steps)
