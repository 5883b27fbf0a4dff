"""Networks with steps of data consistency between them.

Schlemper et al. 2018 ("A Deep Cascade of Convolutional Neural Networks for Dynamic MR
Image Reconstruction"), with a U-Net for each stage, and for the consistency a descent
along the data term within [0, 1] (`reconstruction.data_consistency`). The consistency
comes last, so that whatever the networks do, the result explains the measurement.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from sisr_jax.models.unet import UNet
from sisr_jax.operators import LinearOperator
from sisr_jax.reconstruction.data_consistency import data_consistency


class Cascade(nn.Module):
    """Stages of a `UNet` and a data-consistency step.

    A network sees the current image, the output of the stage before as it was before
    its consistency step, and every channel of the estimate. Stages are computed again
    in the backward pass: of each, a training keeps the image that goes in. XLA:CPU does
    not hold that computation back until its turn, so memory is not bounded there.

    Attributes:
        num_stages: Networks, each followed by consistency.
        shared: One set of weights for all stages, else one for each.
        num_steps: Steps of `data_consistency` in each stage.
        widths: See `UNet`.
        num_blocks: See `UNet`.
        dtype: Compute type of the networks; the consistency, parameters and output are
            float32.
    """

    num_stages: int = 3
    shared: bool = False
    num_steps: int = 8
    widths: Sequence[int] = (32, 64, 128)
    num_blocks: int = 1
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
        """Restores `[B, H, W, C]` to `[B, H, W, 1]`, float32.

        Args:
            estimate: The image to correct; further channels are other estimates.
            measurement: What was measured, `[B, *operator.range_shape]`; or None, as of
                crops: the networks then follow each other without consistency.
            operator: What measured it.
            train: Handed on to the networks.

        Raises:
            ValueError: If only one of measurement and operator is given, or the size of
                the estimate does not suit the networks, see `UNet`.
        """
        if (measurement is None) != (operator is None):
            given = "operator" if measurement is None else "measurement"
            raise ValueError(f"only {given} is given: expected both or none of the two")
        networks = [
            UNet(self.widths, self.num_blocks, self.dtype, name=f"stage_{i}")
            for i in range(1 if self.shared else self.num_stages)
        ]

        def correct(network: UNet, image: jax.Array, previous: jax.Array) -> jax.Array:
            seen = jnp.concatenate([image, previous, estimate], -1)
            return network(seen, train=train)

        correct = nn.remat(correct)
        estimate = estimate.astype(jnp.float32)
        image = previous = estimate[..., :1]
        for stage in range(self.num_stages):
            output = correct(networks[stage % len(networks)], image, previous)
            image = output
            if measurement is not None and operator is not None:
                image = data_consistency(
                    output[..., 0], measurement, operator, num_steps=self.num_steps
                )[..., None]
            previous = jnp.clip(output, 0.0, 1.0)
        return image
