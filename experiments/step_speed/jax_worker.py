"""One training step of a network in JAX for each line on standard input.

    python jax_worker.py VARIANT NETWORK SIZE

`ours` is the package's network; `plain` is the same network on flax's own
convolution, as a direct port of the original would have it.
"""

import os
import sys

os.environ["JAX_PLATFORMS"] = "cpu"

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from protocol import STAGE_WIDTHS, images, serve

from sisr_jax.models import SRResNetCT, UNet, packing


def main(variant: str, network: str, size: int) -> None:
    if variant == "plain":
        packing.convolve = flax_convolution
    model = SRResNetCT(64, 5, 4, "batch", False)
    if network == "stage":
        model = UNet(STAGE_WIDTHS)
    degraded, hr = (jnp.asarray(image) for image in images(network, size))
    variables = jax.jit(lambda key: model.init(key, degraded, train=False))(
        jax.random.key(0)
    )
    optimizer = optax.adam(1e-4)
    state = variables, optimizer.init(variables["params"])

    def step(state):
        variables, moments = state

        def loss(params):
            restored, changed = model.apply(
                {**variables, "params": params},
                degraded,
                train=True,
                mutable=["batch_stats"],
            )
            return jnp.mean((restored - hr) ** 2), changed

        (value, changed), gradient = jax.value_and_grad(loss, has_aux=True)(
            variables["params"]
        )
        updates, moments = optimizer.update(gradient, moments)
        params = optax.apply_updates(variables["params"], updates)
        return ({"params": params, **changed}, moments), value

    compiled = jax.jit(step, donate_argnums=0).lower(state).compile()

    def run() -> float:
        nonlocal state
        state, value = compiled(state)
        return float(value)

    serve(run)


def flax_convolution(image, kernel, stride=1):
    """What `flax.linen.Conv` computes, with the kernel it is given."""
    layer = nn.Conv(kernel.shape[-1], kernel.shape[:2], strides=stride, use_bias=False)
    return layer.apply({"params": {"kernel": kernel}}, image)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
