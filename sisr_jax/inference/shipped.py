"""The weights in the box: `available()` and `load(name)`.

`sisr_jax/weights` has two files for each: NAME.safetensors, and NAME.json, the card. It
says on which images, views and window they were trained and under which licence, how
they were scored and against what, where they fail, what they are for, and by which
command they are trained again; `config` is the configuration of the network, `sha256`
the hash of the weights.
"""

import dataclasses
import json
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from sisr_jax.config import Config, parse, upgraded
from sisr_jax.degradation import modality_of
from sisr_jax.errors import InputError
from sisr_jax.inference.restorer import Restorer
from sisr_jax.inference.weights_file import read_weights
from sisr_jax.models import build_generator

# Parameters do not depend on the size of the images; this one suits every network.
_SIZE = (64, 64)

_FOLDER = epath.resource_path("sisr_jax") / "weights"


def available() -> tuple[str, ...]:
    """Names of the weights in the box."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def load(name: str) -> Restorer:
    """A network with its shipped weights.

    Args:
        name: One of `available()`. `sparse-view-ct`: parallel-beam CT from any 32 to
            250 evenly spread views, slices in the window [-1000, 1000] HU, no noise.
            `sparse-view-ct-any-dose`: the same without noise or with that of 1e4 to 1e6
            photons a ray, and pixels of 0.7 mm.

    Returns:
        `restorer(measurement=y, operator=A)`; its `card` is a dictionary.

    Raises:
        InputError: If there are no such weights.
    """
    if name not in available():
        known = ", ".join(map(repr, available()))
        raise InputError(f"weights {name!r}: expected one of {known}")
    card = json.loads((_FOLDER / f"{name}.json").read_text())
    config = parse(upgraded(card["config"]))
    network = build_generator(config)
    params = read_weights(
        _FOLDER / f"{name}.safetensors",
        parameter_shapes(config),
        sha256=card["sha256"],
    )
    return Restorer(network, {"params": jax.tree.map(jnp.asarray, params)}, card)


def parameter_shapes(config: Config) -> Any:
    """Shapes of the generator's parameters, without computing any."""
    data = dataclasses.replace(config.data, shape=_SIZE, patch=_SIZE)
    config = dataclasses.replace(config, data=data)
    network, degradation = build_generator(config), modality_of(config).degrade(config)

    def initial(key: jax.Array) -> Any:
        measurement = degradation.measure(key, jnp.zeros((1, *_SIZE, 1)))
        estimate = degradation.estimate(measurement)
        return network.init(key, estimate, *measurement, train=False)

    return jax.eval_shape(initial, jax.random.key(0))["params"]
