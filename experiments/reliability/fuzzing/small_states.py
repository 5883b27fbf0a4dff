"""A training state of a few small arrays, for tests that save many times."""

import jax
import numpy as np

from sisr_jax.train.state import NetworkState, TrainState


def small_state(step, seed=0):
    rng = np.random.default_rng(seed)

    def network():
        kernel = rng.normal(size=(3, 3, 8, 16)).astype(np.float32)
        bias = rng.normal(size=4).astype(np.float32)
        params = {"Conv_0": {"kernel": jax.numpy.array(kernel), "bias": bias}}
        moments = jax.tree.map(np.square, params)
        return NetworkState(params, {"mean": bias + 1}, (moments, np.int32(step)))

    generator, discriminator = network(), network()
    state = TrainState(
        step=np.int32(step),
        key=jax.random.key(seed),
        generator=generator,
        discriminator=discriminator,
        generator_ema=jax.tree.map(np.negative, generator.params),
        skipped=np.int32(0),
        skipped_in_a_row=np.int32(0),
    )
    return jax.tree.map(jax.numpy.asarray, state)


def bits(state):
    """The leaves of a state as bytes, by their paths."""
    state = state.replace(key=jax.random.key_data(state.key))
    return {
        jax.tree_util.keystr(path): np.asarray(leaf).tobytes()
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }
