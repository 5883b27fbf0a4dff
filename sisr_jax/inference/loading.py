"""A network with its weights, by the name or the folder that they have.

The weights in the box are the bundles in `sisr_jax/weights`.
"""

import jax
import jax.numpy as jnp
from etils import epath

from sisr_jax.checkpoints.pretrained import newest_weights
from sisr_jax.config.kept import has_config, read_config
from sisr_jax.errors import InputError
from sisr_jax.inference.bundle import is_bundle, read_bundle
from sisr_jax.inference.restorer import Restorer
from sisr_jax.inference.variables import first_estimate, received, variable_shapes
from sisr_jax.models import build_generator
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.files import absolute
from sisr_jax.storage.folder import open_folder
from sisr_jax.train.state import NetworkState

_FOLDER = epath.resource_path("sisr_jax") / "weights"


def available(measures: str | None = None) -> tuple[str, ...]:
    """Names of the weights in the box.

    Args:
        measures: Of those only for which a measurement is a list of `views`, or of
            `columns`.

    Examples:
        >>> from sisr_jax.inference import available
        >>> available("views")
        ('sparse-view-ct', 'sparse-view-ct-any-dose')
    """
    found = sorted(path for path in _FOLDER.iterdir() if is_bundle(path))
    return tuple(
        path.name
        for path in found
        if measures is None or read_config(path).degradation.measures == measures
    )


def load(source: epath.PathLike) -> Restorer:
    """A network with its weights.

    Args:
        source: One of `available()`; else a folder, local or `gs://`: of a run, whose
            averaged generator of the newest sound checkpoint is taken, or a bundle, see
            `inference.bundle`. A folder with a name of `available()` is `./NAME`.

            `sparse-view-ct`: parallel-beam CT from any 32 to 250 evenly spread views,
            slices in the window [-1000, 1000] HU, no noise. `sparse-view-ct-any-dose`:
            the same without noise or with that of 1e4 to 1e6 photons a ray, and pixels
            of 0.7 mm. `scan-line-ultrasound`: B-mode frames of which every 2nd to 16th
            column is left, from any first one on (`LateralDecimation`).

    Returns:
        `restorer(measurement=y, operator=A)`, and `restorer(image)` where the network
        looks at the degraded image alone; its `card` is a dictionary, with the `name`
        of the folder; of a run, the `step` of the checkpoint is all else.

    Raises:
        InputError: If there are no such weights, or they are damaged.
        StorageError: If the storage fails.

    Examples:
        >>> from sisr_jax.inference import load
        >>> restorer = load("sparse-view-ct")
        >>> restorer.card["name"], restorer.card["views"]
        ('sparse-view-ct', [32, 250])
    """
    name = str(source)
    if name in available():
        return read_bundle(_FOLDER / name)
    folder = open_folder(name, "weights")
    if is_bundle(folder):
        return read_bundle(folder)
    with refusing(f"weights {folder}"):
        is_run = has_config(folder)
    if not is_run:
        known = ", ".join(map(repr, available()))
        raise InputError(
            f"weights {name!r}: expected one of {known}, or the folder of a run or "
            "bundle"
        )
    return _read_run(absolute(folder))


def _read_run(workdir: epath.Path) -> Restorer:
    config = read_config(workdir)
    shapes = variable_shapes(config)
    target = NetworkState(
        params=shapes["params"],
        batch_stats=shapes.get("batch_stats", {}),
        opt_state=None,
    )
    source = f"run {str(workdir)!r}"
    found = newest_weights(workdir, "generator", target, source=source)
    weights = {name: tree for name, tree in found.weights.items() if tree}
    return Restorer(
        build_generator(config),
        jax.tree.map(jnp.asarray, weights),
        {"name": workdir.name, "step": found.step},
        config,
        first_estimate(config),
        received(config),
    )
