# %% [markdown]
# # Add a geometry: an operator of your own
#
# A new scanner is a subclass of `LinearOperator` that says how it maps, how its
# transpose does, and between which shapes. Here: a detector row with dead channels,
# behind the rays of parallel-beam CT. Dead channels draw rings; a reconstruction that
# knows of them has hardly any.

# %%
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.metrics import psnr
from sisr_jax.operators import LinearOperator, check_adjoint
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class DeadChannels(LinearOperator):
    """Reads 0 where `alive` is 0: a diagonal matrix, its own transpose."""

    alive: Any  # [detectors]; an array, so it is a leaf of the pytree

    @property
    def domain_shape(self):
        """Any number of views, of so many detectors."""
        return None, self.alive.shape[-1]

    range_shape = domain_shape

    def __call__(self, x, /):
        return x * self.alive

    transpose = __call__


# %% [markdown]
# `@` composes operators. The test that every operator of the package passes is public.

# %%
SIZE = 128
truth = ((ct_phantom(seed=0, index=5, size=SIZE) + 1000) / 2000).clip(0, 1)
rays = ParallelBeamCT(ParallelBeam(size=SIZE, num_angles=180))
alive = np.ones(rays.range_shape[1], np.float32)
alive[[60, 71, 72, 73, 105, 120, 121]] = 0
A = DeadChannels(jnp.asarray(alive)) @ rays
print("not adjoint by", check_adjoint(A, jax.random.key(0)))  # at most about 1e-6

# %% [markdown]
# All of `sisr_jax.reconstruction` takes it now, and so would a network.

# %%
y = A(truth)
images = {
    "dead channels ignored": rays.fbp(y),
    "dead channels known": total_variation(
        y, A, weight=1e-6, num_iterations=150, start=rays.fbp(y, filter_name="hann")
    ),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
axes[0].imshow(y, cmap="gray", aspect="auto")
axes[0].set(title="measurement", xlabel="detector", ylabel="view")
for axis, (name, image) in zip(axes[1:], images.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=0.4, vmax=0.65)
    axis.set_title(f"{name}, {psnr(image, truth, data_range=1.0):.1f} dB")
    axis.axis("off")
figure.savefig("add_an_operator.png", dpi=80)
