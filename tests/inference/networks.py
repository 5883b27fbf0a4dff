"""Small networks of every kind with random weights, and what they are given."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.config import parse
from sisr_jax.degradation import modality_of
from sisr_jax.inference import Restorer
from sisr_jax.inference.variables import first_estimate, variable_shapes
from sisr_jax.models import build_generator
from sisr_jax.types import Measurement

SRRESNET = {"width": 4, "num_blocks": 1, "norm": "batch", "global_skip": True}
# Configuration and generator of each.
KINDS = {
    "srresnet": ("ct_srresnet", {"kind": "srresnet", "num_shuffles": 1, **SRRESNET}),
    "columns": ("us_srresnet", {"kind": "srresnet", "num_shuffles": 0, **SRRESNET}),
    "unet": ("ct_srresnet", {"kind": "unet", "widths": (4, 8), "num_blocks": 1}),
    "cascade": (
        "ct_cascade",
        {
            **{"kind": "cascade", "num_stages": 1, "shared": False, "num_steps": 1},
            **{"num_last_steps": 1, "widths": (2, 4), "num_blocks": 1},
            "start_weights": (1.0,),
        },
    ),
    "any columns": (
        "us_srresnet",
        {"kind": "lateral", "widths": (4, 8), "num_blocks": 1, "slopes": (0.5,)},
    ),
    "unrolled": (
        "ct_cascade",
        {
            **{"kind": "unrolled", "num_iterations": 1, "width": 4, "memory": 2},
            "num_steps": 1,
        },
    ),
}
OF_IMAGES = ("srresnet", "columns", "unet")


def config_of(kind):
    name, generator = KINDS[kind]
    config = importlib.import_module(f"configs.{name}").get_config("quicktest")
    values = config.to_dict()
    values["generator"] = generator
    if "filter_name" in values["degradation"]:
        # Another one than a reconstruction by itself would have.
        values["degradation"]["filter_name"] = "hann"
    return parse(values)


def random_restorer(kind):
    config = config_of(kind)
    random = np.random.default_rng(1)
    ranges = {"params": (-0.1, 0.1), "batch_stats": (0.5, 1.5)}
    variables = {
        name: jax.tree.map(
            lambda leaf, name=name: jnp.asarray(
                random.uniform(*ranges[name], leaf.shape), jnp.float32
            ),
            tree,
        )
        for name, tree in variable_shapes(config).items()
    }
    return Restorer(
        build_generator(config), variables, {}, config, first_estimate(config)
    )


def measured(config, count=2):
    """Measurement and first estimate `[count, height, width]` of random images."""
    random = np.random.default_rng(2)
    images = random.uniform(0.2, 0.8, (count, *config.data.shape, 1))
    degradation = modality_of(config).degrade(config)

    @jax.jit
    def degrade(degradation, images):
        found = degradation.measure(jax.random.key(0), images)
        return found.values, degradation.estimate(found)[..., 0]

    values, estimate = degrade(degradation, jnp.asarray(images, jnp.float32))
    return Measurement(values, degradation.operator), estimate
