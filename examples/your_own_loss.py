# %% [markdown]
# # Data consistency, conjugate gradients, and a loss of your own
#
# `ParallelBeamCT` is the projection as a value: `A(x)`, its exact transpose `A.T(y)`,
# and `A.fbp(y)`. Everything in `sisr_jax.reconstruction` takes any such operator, and
# so does whatever you write yourself, because JAX differentiates through it.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.metrics import psnr
from sisr_jax.operators import check_adjoint
from sisr_jax.reconstruction.conjugate_gradient import conjugate_gradient
from sisr_jax.reconstruction.data_consistency import data_consistency
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

truth = ((ct_phantom(seed=0, index=5, size=128) + 1000) / 2000).clip(0, 1)
A = ParallelBeamCT(ParallelBeam(size=128, num_angles=500).every(16))  # 32 views
y = A(truth)
print("not adjoint by", check_adjoint(A, jax.random.key(0)))

# %% [markdown]
# **Without a loss of your own.** Data consistency descends from an image to one that
# explains the measurement; conjugate gradients find the least squares solution.

# %%
start = A.fbp(y, filter_name="hann")
images = {
    "back-projection": start,
    "data consistency": data_consistency(start, y, A, num_steps=20),
    "conjugate gradients": conjugate_gradient(y, A, num_steps=20, damping=1e-3),
}


# %% [markdown]
# **With one.** The data term, weighted by `A.precondition` (so that no step length has
# to be found for the geometry), and a smoothed total variation, minimised by any
# optimiser.


# %%
def loss(image, y, A):
    error = A(image) - y
    steps = jnp.diff(image, axis=0)[:, :-1], jnp.diff(image, axis=1)[:-1]
    edges = jnp.sqrt(steps[0] ** 2 + steps[1] ** 2 + 1e-6)
    return jnp.vdot(error, A.precondition(error)) / 2 + 2e-4 * edges.sum()


optimizer = optax.adam(optax.cosine_decay_schedule(0.01, 200))


@jax.jit
def minimise(image, y, A):  # A is an argument: its matrices are not copied into it
    def step(carry, _):
        image, state = carry
        value, gradient = jax.value_and_grad(loss)(image, y, A)
        updates, state = optimizer.update(gradient, state)
        return (optax.apply_updates(image, updates), state), value

    return jax.lax.scan(step, (image, optimizer.init(image)), length=200)


(images["your own loss"], _), values = minimise(start, y, A)
print("loss from", values[0], "to", values[-1])

# %%
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (name, image) in zip(axes, images.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=0.4, vmax=0.65)
    axis.axis("off")
    axis.set_title(f"{name}, {psnr(image, truth, data_range=1.0):.1f} dB")
figure.savefig("your_own_loss.png", dpi=80)
