"""Views from the image that was back-projected from them."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.operators import LinearOperator
from sisr_jax.reals import as_real
from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.tomography import ParallelBeamCT
from sisr_jax.types import Sinogram, SquarePlane


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class _FilteredBackProjection(LinearOperator):
    """`fbp` of an operator, from views to images."""

    projection: ParallelBeamCT

    @property
    def domain_shape(self) -> tuple[int, int]:
        return self.projection.range_shape

    @property
    def range_shape(self) -> tuple[int, int]:
        return self.projection.domain_shape

    def __call__(self, x: Float[Array, "..."], /) -> Float[Array, "..."]:
        return self.projection.fbp(x)

    def transpose(self, y: Float[Array, "..."], /) -> Float[Array, "..."]:
        shape = (*y.shape[:-2], *self.domain_shape)
        views = jax.ShapeDtypeStruct(shape, y.dtype)
        (found,) = jax.linear_transpose(self.projection.fbp, views)(y)
        return found

    def precondition(self, residual: Float[Array, "..."]) -> Float[Array, "..."]:
        # The steps of conjugate gradients do not depend on a scale.
        return residual


def recover_views(
    image: SquarePlane, A: ParallelBeamCT, *, num_steps: int = 40
) -> tuple[Sinogram, Float[Array, "*batch"]]:
    """Computes which views an image was reconstructed from by `A.fbp`.

    The ramp loses next to nothing of a view, so that few views follow from their
    filtered back-projection: least squares by conjugate gradients, from `A(image)`.

    Args:
        image: Reconstructions with the ramp filter, `[*batch, size, size]`, not
            clipped.
        A: The views that they are of.
        num_steps: Steps, each with an `fbp` and its transpose.

    Returns:
        Views, `[*batch, angles, detectors]`, and `||fbp(y) - image|| / ||image||`,
        `[*batch]`: about the rounding of the image, if it is what it is said to be, and
        hundredths or more if it was clipped, or is of other views. Another filter
        cannot be told: it is a ramp behind smoother views.

    Raises:
        ValueError: If a shape does not fit, or there is no step.

    Examples:
        >>> import numpy as np
        >>> from sisr_jax.reconstruction.recovered_views import recover_views
        >>> from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
        >>> A = ParallelBeamCT(ParallelBeam(size=16, num_angles=6))
        >>> image = np.zeros((16, 16), np.float32)
        >>> image[4:12, 6:10] = 1
        >>> views, mismatch = recover_views(A.fbp(A(image)), A)
        >>> views.shape, bool(mismatch < 1e-3)
        ((6, 23), True)
    """
    image = as_real(image, "image")
    back = _FilteredBackProjection(A)
    views = conjugate_gradient(image, back, num_steps=num_steps, x=A(image))
    error = jnp.linalg.norm(A.fbp(views) - image, axis=(-2, -1))
    size = jnp.linalg.norm(image, axis=(-2, -1))
    return views, jnp.where(error == 0, 0.0, error / jnp.where(size > 0, size, 1.0))
