"""A training state as the items of a checkpoint.

There are three, so that another run can take one network without knowing anything
about the rest:

* `generator`: params, batch_stats, ema
* `discriminator`: params, batch_stats
* `training`: step, key, both optimiser states, counts of skipped steps
"""

from collections.abc import Mapping
from typing import Any

from sisr_jax.train.state import NetworkState, TrainState


def split(state: TrainState) -> dict[str, Any]:
    """The items of a state, by their names."""
    return {
        "generator": {
            "params": state.generator.params,
            "batch_stats": state.generator.batch_stats,
            "ema": state.generator_ema,
        },
        "discriminator": {
            "params": state.discriminator.params,
            "batch_stats": state.discriminator.batch_stats,
        },
        "training": {
            "step": state.step,
            "key": state.key,
            "skipped": state.skipped,
            "skipped_in_a_row": state.skipped_in_a_row,
            "generator_opt_state": state.generator.opt_state,
            "discriminator_opt_state": state.discriminator.opt_state,
        },
    }


def join(items: Mapping[str, Any]) -> TrainState:
    """The state that the items were made of."""
    networks = {
        name: NetworkState(
            params=items[name]["params"],
            batch_stats=items[name]["batch_stats"],
            opt_state=items["training"][f"{name}_opt_state"],
        )
        for name in ("generator", "discriminator")
    }
    return TrainState(
        step=items["training"]["step"],
        key=items["training"]["key"],
        skipped=items["training"]["skipped"],
        skipped_in_a_row=items["training"]["skipped_in_a_row"],
        generator_ema=items["generator"]["ema"],
        **networks,
    )
