"""A trained network as a function of a measurement and its operator."""

import dataclasses
import functools
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.metrics import residual
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.null_space import null_space
from sisr_jax.reconstruction.starts import linear_estimate

_null_space = jax.jit(null_space)

# Images at a time: the memory of a long series stays that of a few.
_TOGETHER = 4


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Restored:
    """What a restorer returns; a pytree.

    Attributes:
        image: `[*batch, height, width]`, float32, in units of the window's [0, 1].
        residual: `||A x - y|| / ||y||` of each image, `[*batch]`; 0 for an image that
            explains its measurement entirely.
        operator: What measured the images.
    """

    image: Float[Array, "*batch height width"]
    residual: Float[Array, "*batch"]
    operator: LinearOperator

    @property
    def null_space(self) -> Float[Array, "*batch height width"]:
        """What of the images did not come from the measurement, computed when asked.

        See `reconstruction.null_space.null_space`.
        """
        return _null_space(self.image, self.operator)


@dataclasses.dataclass(frozen=True, eq=False)
class Restorer:
    """Restores images from what was measured of them.

    Call it under `jit`, `vmap` and `grad`, or as it is.

    Attributes:
        network: The generator, called as `sisr_jax.models` says.
        variables: Its parameters, and running averages if it has some.
        card: What is known of the weights, see `inference.load`.
    """

    network: nn.Module = dataclasses.field(repr=False)
    variables: Any = dataclasses.field(repr=False)
    card: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    def __call__(
        self, *, measurement: Float[Array, "..."], operator: LinearOperator
    ) -> Restored:
        """Restores the images of some measurements.

        A series is restored a few images at a time.

        Args:
            measurement: `[*batch, *operator.range_shape]`, of images in units of the
                window's [0, 1]: for CT, integrals of `(HU - low) / (high - low)` along
                rays, in pixels.
            operator: What measured them, for instance `ParallelBeamCT(beam)`.

        Raises:
            ValueError: If a shape does not fit, or the network does not take images of
                this size.
        """
        measurement = jnp.asarray(measurement, jnp.float32)
        image, error = self._restore(self.variables, measurement, operator)
        # Returned by the program, the matrices of the operator would be copied.
        return Restored(image, error, operator)

    @functools.cached_property
    def _restore(self) -> Any:
        # Weights and operator are arguments: nothing is baked into the program.
        return jax.jit(self._restored)

    def _restored(
        self, variables: Any, y: Array, operator: LinearOperator
    ) -> tuple[Array, Array]:
        *batch, height, width = jax.eval_shape(linear_estimate, y, operator).shape
        y = y.reshape(math.prod(batch), *y.shape[len(batch) :])

        def restore(y: Array) -> tuple[Array, Array]:
            first = linear_estimate(y, operator)[..., None]
            output: Any = self.network.apply(variables, first, y, operator, train=False)
            image = jnp.clip(output[..., 0], 0.0, 1.0)
            return image, residual(operator(image), y)

        # An operator that measures each image in its own way has all of them at once.
        if len(y) <= _TOGETHER or jnp.ndim(operator.measured_share):
            image, error = restore(y)
        else:
            image, error = _by_parts(restore, y)
        image = image.reshape(*batch, height, width)
        return image, error.reshape(batch)


def _by_parts(restore: Any, y: Array) -> tuple[Array, Array]:
    """Maps over parts of a batch, the last of which is filled up."""
    missing = -len(y) % _TOGETHER
    padded = jnp.concatenate([y, jnp.repeat(y[-1:], missing, 0)])
    parts = padded.reshape(-1, _TOGETHER, *y.shape[1:])
    image, error = lax.map(restore, parts)
    return (
        image.reshape(-1, *image.shape[2:])[: len(y)],
        error.reshape(-1)[: len(y)],
    )
