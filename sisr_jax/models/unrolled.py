"""Learned primal-dual reconstruction.

Adler & Öktem 2018 ("Learned Primal-Dual Reconstruction", IEEE TMI, algorithm 3): the
iteration of Chambolle and Pock with small networks in the place of its proximal maps,
and a memory of some channels for both of its variables.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.config import Config
from sisr_jax.models.blocks import Conv, PReLU
from sisr_jax.models.physics import check_physics
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.data_consistency import data_consistency


class LearnedPrimalDual(nn.Module):
    """Alternates networks on the measurement and on the image, then is consistent.

    Unlike the original it begins with the first estimate instead of zeros, transposes
    with the operator's preconditioner, which keeps the image in its own units, and ends
    with data consistency. Iterations are computed again in the backward pass. XLA:CPU
    does not hold that computation back until its turn, so memory is not bounded there.

    Attributes:
        num_iterations: Pairs of networks, each with weights of its own.
        width: Channels of the networks.
        memory: Channels of the image and of the dual variable that are handed on.
        num_steps: Steps of `data_consistency` at the end.
        dtype: Compute type of the networks; the physics is float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import LearnedPrimalDual
        >>> from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
        >>> A = ParallelBeamCT(ParallelBeam(size=16, num_angles=24))
        >>> network = LearnedPrimalDual(num_iterations=2, width=4)
        >>> key, estimate = jax.random.key(0), jax.numpy.zeros((1, 16, 16, 1))
        >>> restored = jax.eval_shape(
        ...     lambda y: network.init_with_output(key, estimate, y, A, train=False)[0],
        ...     A(estimate[..., 0]),
        ... )
        >>> restored.shape
        (1, 16, 16, 1)
    """

    num_iterations: int = 6
    width: int = 32
    memory: int = 5
    num_steps: int = 8
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        estimate: jax.Array,
        measurement: jax.Array | None = None,
        operator: LinearOperator | None = None,
        *,
        train: bool,
    ) -> jax.Array:
        """Restores images `[B, H, W, 1]`, float32, in [0, 1].

        Args:
            estimate: The first image.
            measurement: What was measured, `[B, *operator.range_shape]`, a grid.
            operator: What measured it.
            train: Without effect; there is no normalisation.

        Raises:
            ValueError: If measurement or operator is missing.
        """
        del train
        y, operator = check_physics(measurement, operator)
        # A line integral is as large as its way through the image is long.
        length = float(max(estimate.shape[1:3]))

        def iterate(
            dual_net: _Proximal, image_net: _Proximal, dual: jax.Array, image: jax.Array
        ) -> tuple[jax.Array, jax.Array]:
            seen = [operator(image[..., 0])[..., None], y[..., None]]
            dual = dual_net(dual, [each / length for each in seen])
            back = operator.T(operator.precondition(length * dual[..., 0]))
            return dual, image_net(image, [back[..., None]])

        iterate = nn.remat(iterate)
        image = jnp.repeat(estimate.astype(jnp.float32), self.memory, -1)
        dual = jnp.zeros((*y.shape, self.memory))
        for number in range(self.num_iterations):
            dual_net, image_net = (
                _Proximal(self.width, self.dtype, name=f"{name}_{number}")
                for name in ("dual", "image")
            )
            dual, image = iterate(dual_net, image_net, dual, image)
        output = data_consistency(image[..., 0], y, operator, num_steps=self.num_steps)
        return output[..., None]


class _Proximal(nn.Module):
    """Three convolutions that correct a variable; none at first."""

    width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, variable: jax.Array, seen: list[jax.Array]) -> jax.Array:
        """Keeps the shape of `[B, H, W, memory]`."""
        y = jnp.concatenate([variable, *seen], -1)
        for _ in range(2):
            y = PReLU(self.dtype)(Conv(self.width, dtype=self.dtype)(y))
        zeros = nn.initializers.zeros
        y = Conv(variable.shape[-1], kernel_init=zeros, dtype=self.dtype)(y)
        return variable + y.astype(jnp.float32)


def build(config: Config) -> LearnedPrimalDual:
    """The network of a configuration."""
    values = config.generator
    return LearnedPrimalDual(
        num_iterations=values.num_iterations,
        width=values.width,
        memory=values.memory,
        num_steps=values.num_steps,
        dtype=config.compute_dtype,
    )
