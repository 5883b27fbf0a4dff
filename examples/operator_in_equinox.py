# %% [markdown]
# # An operator inside an Equinox module
#
# Operators are pytrees, and so is a module of Equinox: it may hold one as a field. Here
# is an unrolled network of three gradient steps with learned lengths and two small
# convolutions after each, as in the example for Linen and NNX. It needs
# `pip install equinox`.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

from sisr_jax.data import ct_phantom
from sisr_jax.metrics import psnr
from sisr_jax.operators import LinearOperator
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

try:
    import equinox as eqx
except ModuleNotFoundError:
    raise SystemExit("this example needs Equinox: pip install equinox") from None

SIZE, STEPS = 48, 3
A = ParallelBeamCT(ParallelBeam(size=SIZE, num_angles=16))
slices = np.stack([ct_phantom(seed=0, index=i, size=SIZE) for i in range(9)])
slices = ((slices + 1000) / 2000).clip(0, 1)
seen, unseen = slices[:8], slices[8]


# %%
class Step(eqx.Module):
    """A gradient step, then two convolutions; of one image `[height, width]`."""

    rate: jax.Array
    first: eqx.nn.Conv2d
    second: eqx.nn.Conv2d

    def __init__(self, key):
        self.rate = jnp.ones(())
        self.first = eqx.nn.Conv2d(1, 16, 3, padding=1, key=key)
        second = eqx.nn.Conv2d(16, 1, 3, padding=1, key=key)
        self.second = jax.tree.map(jnp.zeros_like, second)

    def __call__(self, x, y, A):
        x = x + self.rate * A.T(A.precondition(y - A(x)))
        return x + self.second(jax.nn.relu(self.first(x[None])))[0]


class Network(eqx.Module):
    """Holds its scanner: called with a measurement alone."""

    steps: list[Step]
    A: LinearOperator

    def __call__(self, y):
        x = self.A.fbp(y, filter_name="hann")
        for step in self.steps:
            x = step(x, y, self.A)
        return x


# %% [markdown]
# Equinox takes every array of a module for a parameter, those of the operator as well.
# Their derivative is 0, so plain Adam leaves them alone; but an optimiser keeps two
# moments of each, and one with weight decay would shrink the scanner. `partition` says
# what is trained: everything but `A`.

# %%
network = Network([Step(key) for key in jax.random.split(jax.random.key(0), STEPS)], A)
trained = jax.tree.map(eqx.is_inexact_array, network)
trained = eqx.tree_at(lambda network: network.A, trained, replace=False)
parameters, rest = eqx.partition(network, trained)
count, held = (
    sum(leaf.size for leaf in jax.tree.leaves(p)) for p in (parameters, rest)
)
print(f"{count} numbers are trained, {held} of the operator are not")
optimizer = optax.adam(2e-3)


@eqx.filter_jit
def train(parameters, rest, images):
    y = rest.A(images)

    def loss(parameters):
        network = eqx.combine(parameters, rest)
        return jnp.mean((jax.vmap(network)(y) - images) ** 2)

    def step(carry, _):
        parameters, state = carry
        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(parameters, updates), state), value

    start = parameters, optimizer.init(parameters)
    (parameters, _), curve = jax.lax.scan(step, start, length=100)
    return parameters, curve


parameters, curve = train(parameters, rest, seen)

# %% [markdown]
# A slice that was not among the eight.

# %%
y = A(unseen)
images = {
    "truth": unseen,
    "FBP (Hann)": A.fbp(y, filter_name="hann"),
    "three steps, trained": eqx.combine(parameters, rest)(y),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.2), layout="constrained")
for axis, (name, image) in zip(axes, images.items(), strict=False):
    score = psnr(image[..., None], unseen[..., None])
    axis.imshow(image, cmap="gray", vmin=0.3, vmax=0.7)
    axis.set_title(name if name == "truth" else f"{name}, {score:.1f} dB")
    axis.axis("off")
axes[3].semilogy(curve)
axes[3].set(xlabel="step", title="mean squared error, training")
figure.savefig("operator_in_equinox.png", dpi=80)
