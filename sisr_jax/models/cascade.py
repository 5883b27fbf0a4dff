"""Networks with steps of data consistency between them.

Schlemper et al. 2018 ("A Deep Cascade of Convolutional Neural Networks for Dynamic MR
Image Reconstruction"), from total variation instead of zeros, with a U-Net for each
stage, and for the consistency a descent along the data term within [0, 1]
(`reconstruction.data_consistency`). The consistency comes last, so that whatever the
networks do, the result explains the measurement.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.config import Config
from sisr_jax.models.physics import check_physics
from sisr_jax.models.unet import UNet
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.reconstruction.starts import starts


class Cascade(nn.Module):
    """Stages of a `UNet` and a data-consistency step, from total variation on.

    A network sees the current image, the output of the stage before as it was before
    its consistency step, and all `starts`. Stages are computed again in the backward
    pass: of each, a training keeps the image that goes in. XLA:CPU does not hold that
    computation back until its turn, so memory is not bounded there.

    Attributes:
        num_stages: Networks, each followed by consistency.
        shared: One set of weights for all stages, else one for each.
        num_steps: Steps of `data_consistency` between stages.
        num_last_steps: The same after the last stage, whose result has to explain the
            measurement; 0 for noisy measurements, which nothing should explain.
        widths: See `UNet`.
        num_blocks: See `UNet`.
        start_weights: See `multiples` of `starts`.
        dtype: Compute type of the networks; starts, consistency, parameters and output
            are float32.

    Examples:
        >>> import jax
        >>> from sisr_jax.models import Cascade
        >>> from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
        >>> A = ParallelBeamCT(ParallelBeam(size=16, num_angles=24))
        >>> network = Cascade(num_stages=1, widths=(4, 8))
        >>> key, estimate = jax.random.key(0), jax.numpy.zeros((1, 16, 16, 1))
        >>> restored = jax.eval_shape(
        ...     lambda y: network.init_with_output(key, estimate, y, A, train=False)[0],
        ...     A(estimate[..., 0]),
        ... )
        >>> restored.shape
        (1, 16, 16, 1)
    """

    num_stages: int = 2
    shared: bool = False
    num_steps: int = 8
    num_last_steps: int = 24
    widths: Sequence[int] = (32, 64, 128)
    num_blocks: int = 1
    start_weights: Sequence[float] = (1.0, 5.0)
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
        """Restores images `[B, H, W, 1]` from their measurement, float32.

        Args:
            estimate: Not looked at.
            measurement: What was measured, `[B, *operator.range_shape]`.
            operator: What measured it.
            train: Handed on to the networks.

        Raises:
            ValueError: If measurement or operator is missing.
        """
        measurement, operator = check_physics(measurement, operator)
        del estimate
        # Nothing here depends on a weight.
        first = jax.lax.stop_gradient(
            starts(measurement, operator, multiples=self.start_weights)
        )
        networks = [
            UNet(self.widths, self.num_blocks, self.dtype, name=f"stage_{i}")
            for i in range(1 if self.shared else self.num_stages)
        ]

        def correct(network: UNet, image: jax.Array, previous: jax.Array) -> jax.Array:
            seen = jnp.concatenate([image, previous, first], -1)
            return network(seen, train=train)

        correct = nn.remat(correct)
        image = previous = first[..., :1]
        for stage in range(self.num_stages):
            output = correct(networks[stage % len(networks)], image, previous)
            previous = jnp.clip(output, 0.0, 1.0)
            is_last = stage == self.num_stages - 1
            steps = self.num_last_steps if is_last else self.num_steps
            if not steps:
                return output
            image = data_consistency(
                output[..., 0], measurement, operator, num_steps=steps
            )[..., None]
        return image


def build(config: Config) -> Cascade:
    """The cascade of a configuration."""
    values = config.generator
    return Cascade(
        num_stages=values.num_stages,
        shared=values.shared,
        num_steps=values.num_steps,
        num_last_steps=values.num_last_steps,
        widths=values.widths,
        num_blocks=values.num_blocks,
        start_weights=values.start_weights,
        dtype=config.compute_dtype,
    )
