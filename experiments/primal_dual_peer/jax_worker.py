"""Our learned primal-dual network, from the measurement to the image."""

import sys
from functools import partial
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import optax
import protocol

from sisr_jax.models import LearnedPrimalDual
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

# Steps of data consistency at the end: the default, and the fewest there can be, which
# is nearest to the peers, who have none.
NUM_STEPS = {"ours": 8, "ours, 1 step": 1}


def main(name: str, work: str, path: str) -> None:
    at_rest = protocol.megabytes("VmRSS")
    hr = jnp.asarray(np.load(path, allow_pickle=False))[None]
    operator = ParallelBeamCT(ParallelBeam(protocol.SIZE, angles=protocol.radians()))
    # An argument, since what a function closes over is copied into its program.
    apply = jax.jit(lambda operator, x: operator(x))
    project, back_project = partial(apply, operator), partial(apply, operator.T)
    measured = project(hr)
    model = LearnedPrimalDual(
        num_iterations=protocol.NUM_ITERATIONS,
        width=protocol.WIDTH,
        memory=protocol.MEMORY,
        num_steps=NUM_STEPS[name],
    )

    def restore(params, measured, operator):
        estimate = operator.fbp(measured)[..., None]
        restored = model.apply(
            {"params": params}, estimate, measured, operator, train=False
        )
        return restored[..., 0]

    def initial(key, measured, operator):
        estimate = operator.fbp(measured)[..., None]
        return model.init(key, estimate, measured, operator, train=False)["params"]

    params = jax.jit(initial)(jax.random.key(0), measured, operator)
    optimizer = optax.adam(protocol.LEARNING_RATE)

    @jax.jit
    def infer(params, measured, operator):
        restored = restore(params, measured, operator)
        return restored, jnp.mean((restored - hr) ** 2)

    def step(state, measured, operator):
        params, moments = state

        def loss(params):
            return jnp.mean((restore(params, measured, operator) - hr) ** 2)

        value, gradient = jax.value_and_grad(loss)(params)
        updates, moments = optimizer.update(gradient, moments)
        return (optax.apply_updates(params, updates), moments), value

    compiled = jax.jit(step, donate_argnums=0)
    state = params, optimizer.init(params)

    def call() -> float:
        nonlocal state
        if work == "train":
            state, value = compiled(state, measured, operator)
        else:
            _, value = infer(params, measured, operator)
        return float(value)

    protocol.serve(
        call,
        versions=f"jax {version('jax')}, jaxlib {version('jaxlib')}",
        parameters=sum(leaf.size for leaf in jax.tree.leaves(params)),
        adjoint_error=protocol.adjoint_error(project, back_project),
        at_rest=round(at_rest),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
