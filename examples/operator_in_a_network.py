# %% [markdown]
# # An operator inside a Linen or an NNX network
#
# Operators are pytrees: hand one to a module's call, and the network sees the scanner.
# Here is an unrolled network of three gradient steps with learned lengths and a small
# convolution after each, in both of Flax's styles; Equinox has an example of its own.

# %%
import functools

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import linen, nnx

from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

SIZE, STEPS = 48, 3
A = ParallelBeamCT(ParallelBeam(size=SIZE, num_angles=16))
slices = np.stack([ct_phantom(seed=0, index=i, size=SIZE) for i in range(8)])
slices = ((slices + 1000) / 2000).clip(0, 1)
y = A(slices)
estimate = A.fbp(y, filter_name="hann")


def descend(x, y, A, rate):
    return x + rate * A.T(A.precondition(y - A(x)))


class LinenNetwork(linen.Module):
    """Gradient steps, each followed by two convolutions."""

    @linen.compact
    def __call__(self, x, y, A):
        zeros = linen.initializers.zeros
        for i in range(STEPS):
            x = descend(x, y, A, self.param(f"rate{i}", linen.initializers.ones, ()))
            hidden = linen.relu(linen.Conv(16, (3, 3))(x[..., None]))
            x = x + linen.Conv(1, (3, 3), kernel_init=zeros)(hidden)[..., 0]
        return x


class NNXNetwork(nnx.Module):
    """The same; parameters live in the module, the operator is still an argument."""

    def __init__(self, *, rngs):
        zeros = nnx.initializers.zeros
        conv = functools.partial(nnx.Conv, kernel_size=(3, 3), rngs=rngs)
        self.rates = nnx.Param(jnp.ones(STEPS))
        self.first = nnx.List([conv(1, 16) for _ in range(STEPS)])
        self.second = nnx.List([conv(16, 1, kernel_init=zeros) for _ in range(STEPS)])

    def __call__(self, x, y, A):
        for i in range(STEPS):
            x = descend(x, y, A, self.rates[i])
            x = x + self.second[i](nnx.relu(self.first[i](x[..., None])))[..., 0]
        return x


# %% [markdown]
# Forty steps of training each, on phantoms. The operator enters `jit` as an argument.


# %%
def train(apply, parameters):
    optimizer = optax.adam(2e-3)

    @jax.jit
    def run(parameters, A):
        def loss(parameters):
            return jnp.mean((apply(parameters, estimate, y, A) - slices) ** 2)

        def step(carry, _):
            parameters, state = carry
            value, gradient = jax.value_and_grad(loss)(parameters)
            updates, state = optimizer.update(gradient, state)
            return (optax.apply_updates(parameters, updates), state), value

        return jax.lax.scan(step, (parameters, optimizer.init(parameters)), length=40)

    return run(parameters, A)[1]


linen_network = LinenNetwork()
variables = linen_network.init(jax.random.key(0), estimate[:1], y[:1], A)
graph, parameters = nnx.split(NNXNetwork(rngs=nnx.Rngs(0)))
curves = {
    "Linen": train(linen_network.apply, variables),
    "NNX": train(lambda p, *inputs: nnx.merge(graph, p)(*inputs), parameters),
}

# %%
figure, axis = plt.subplots(figsize=(6, 3.4), layout="constrained")
for (name, curve), style in zip(curves.items(), "-:", strict=True):
    axis.semilogy(curve, style, label=name)
axis.set(xlabel="step", ylabel="mean squared error")
axis.legend()
figure.savefig("operator_in_a_network.png", dpi=80)
print({name: (float(curve[0]), float(curve[-1])) for name, curve in curves.items()})
