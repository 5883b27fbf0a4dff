"""Bundles: a network in a folder, with all that it takes to use it.

* `weights.safetensors`: see `weights_file`; names of running averages begin with
  `batch_stats/`.
* `config.json`: the configuration of the network, as in the folder of a run.
* `card.json`: `protocol`, the name of what it was trained and scored by; `scores`, if
  it was; `sha256` of the weights; `sisr_jax`, the version that made the bundle; and
  `config` once more, so that the card alone says everything. `interval`, if it was
  calibrated: the `level` of intervals, and the `multiple` of the scale of errors that
  they take. `spacing_mm`, the least and the greatest distance of the pixels that it was
  trained on, null where the images did not say. Shipped weights also say on which
  images and `views`, or `factors` of columns, they were trained and under which
  licence, against what they were scored, where they fail, what they are for and by
  which command they are trained again.

Nothing in it is code, and none of it is believed: files are of bounded size, and what
they say has to agree.
"""

import contextlib
import dataclasses
import hashlib
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

import sisr_jax
from sisr_jax.config import Config, ConfigError, parse, upgraded
from sisr_jax.config.kept import CONFIG_FILE, read_config
from sisr_jax.data.json_fields import UnfitError, as_list, as_name, as_object, show
from sisr_jax.errors import InputError
from sisr_jax.inference.restorer import Restorer
from sisr_jax.inference.variables import first_estimate, received, variable_shapes
from sisr_jax.inference.weights_file import read_weights, write_weights
from sisr_jax.models import build_generator
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.files import absolute, is_remote, names_in, replace_folder
from sisr_jax.storage.json_files import read_object, write_object

CARD_FILE, WEIGHTS_FILE = "card.json", "weights.safetensors"
_FILES = (WEIGHTS_FILE, CONFIG_FILE, CARD_FILE)
_STATISTICS = "batch_stats"
# No pixel is larger (mm).
_MAX_SPACING = 100.0
_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", re.ASCII)


def is_bundle(folder: epath.Path) -> bool:
    """Whether a folder is a bundle, or what is left of one."""
    with refusing(f"weights {folder}"):
        return any((folder / name).exists() for name in (CARD_FILE, WEIGHTS_FILE))


def read_bundle(folder: epath.Path) -> Restorer:
    """A network with the weights of a bundle.

    Raises:
        InputError: If a file is missing, damaged or not what the others say, or a newer
            version made it; one line that names it.
        StorageError: If the storage fails otherwise.
    """
    card, config = _read_card(folder / CARD_FILE), read_config(folder)
    try:
        is_same = parse(upgraded(card["config"])) == config
    except (ConfigError, RecursionError):
        is_same = False
    if not is_same:
        raise InputError(f"{folder / CONFIG_FILE}: another than in {CARD_FILE}")
    arrays = read_weights(
        folder / WEIGHTS_FILE,
        _as_arrays(variable_shapes(config)),
        sha256=card["sha256"],
    )
    params = jax.tree.map(jnp.asarray, arrays)
    statistics = params.pop(_STATISTICS, None)
    variables = {"params": params}
    if statistics is not None:
        variables[_STATISTICS] = statistics
    network = build_generator(config)
    card["name"] = absolute(folder).name
    return Restorer(
        network, variables, card, config, first_estimate(config), received(config)
    )


def write_bundle(
    folder: epath.Path,
    restorer: Restorer,
    about: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> None:
    """Writes a network as a bundle, all of it or nothing.

    Weights keep all their bits. Of the configuration all is kept but where the images
    and other runs were.

    Args:
        folder: A new folder.
        restorer: The network, with its configuration.
        about: Further entries of the card, `protocol` among them.
        overwrite: Replace a bundle that is there.

    Raises:
        InputError: If the folder is there, or holds something else.
        StorageError: If the storage fails.
    """
    check_new(folder, overwrite=overwrite)
    if restorer.config is None:
        raise ValueError("a restorer without a configuration: expected one of `load`")
    config = dataclasses.asdict(_portable(restorer.config))

    def write(folder: epath.Path) -> None:
        path = folder / WEIGHTS_FILE
        # First: what is unfinished in a bucket is known as ours by it.
        write_object(folder / CONFIG_FILE, config)
        write_weights(path, _as_arrays(restorer.variables), half_from=float("inf"))
        made = {
            "sisr_jax": sisr_jax.__version__,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "config": config,
        }
        # Last: in a bucket, which moves no folders, it makes the others a bundle.
        write_object(folder / CARD_FILE, {**about, **made})

    if is_remote(folder):
        (folder / CARD_FILE).unlink(missing_ok=True)
        write(folder)
    else:
        replace_folder(folder, write)


def check_new(folder: epath.Path, *, overwrite: bool) -> None:
    """Refuses a place where a bundle would destroy something.

    Raises:
        InputError: If it is no bundle, by its files and what they say, and not empty;
            or one and not to be replaced.
    """
    with refusing(f"{folder}"):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: a file, expected a folder")
        names = names_in(folder)
    for name in names:
        if name not in _FILES:
            raise InputError(f"{folder}: holds {name!r}, expected a new folder")
    if names and not overwrite:
        raise InputError(f"{folder}: is there; --overwrite replaces it")
    if names and not _is_ours(folder):
        raise InputError(
            f"{folder}: holds {names[0]!r}, which no bundle has like that; expected a "
            "bundle or a new folder"
        )


def _is_ours(folder: epath.Path) -> bool:
    """Whether a card, which may be damaged, or a configuration was written by us."""
    with contextlib.suppress(InputError):
        if {"sisr_jax", "sha256"} <= read_object(folder / CARD_FILE).keys():
            return True
    with contextlib.suppress(InputError):
        read_config(folder)
        return True
    return False


def _as_arrays(variables: Mapping[str, Any]) -> dict[str, Any]:
    """All variables as one tree: no module is called like the averages."""
    statistics = variables.get(_STATISTICS)
    return {
        **variables["params"],
        **({_STATISTICS: statistics} if statistics else {}),
    }


def _portable(config: Config) -> Config:
    """Without the folders of one machine, which may tell of whom the images are."""
    data = dataclasses.replace(
        config.data, path="." if config.data.path else "", splits_csv=""
    )
    init = dataclasses.replace(config.init, generator="", discriminator="")
    return dataclasses.replace(config, data=data, init=init)


def _read_card(path: epath.Path) -> dict[str, Any]:
    card = read_object(path)
    try:
        as_name(card.get("sha256"), "sha256", "[0-9a-f]{64}")
        as_name(card.get("protocol"), "protocol", r"[\w.-]{1,100}")
        as_object(card.get("config"), "config")
        _check_version(card.get("sisr_jax"))
        for name in ("views", "factors"):
            _check_range(card.get(name, [1, 1]), name)
        _check_spacing(card.get("spacing_mm"))
        if "interval" in card:
            _check_interval(as_object(card["interval"], "interval"))
        for line in as_list(card.get("scores", []), "scores"):
            residual = as_object(line, "a line of scores").get("residual", 0.0)
            if type(residual) not in (int, float) or not 0 <= residual <= 1e6:
                raise UnfitError(
                    f"residual is {show(residual)}, expected a number from 0 to 1e+06"
                )
    except UnfitError as error:
        raise InputError(f"{path}: {error}") from error
    return card


def _check_version(found: Any) -> None:
    made = _VERSION.match(found if isinstance(found, str) else "")
    here = _VERSION.match(sisr_jax.__version__)
    assert here is not None
    if made is None:
        raise UnfitError(f"sisr_jax is {show(found)}, expected a version")
    if tuple(map(int, made.groups())) > tuple(map(int, here.groups())):
        raise UnfitError(
            f"made by sisr_jax {show(found)}, newer than this one, {here[0]}: upgrade"
        )


def _check_interval(found: Mapping[str, Any]) -> None:
    for name, most in (("level", 1.0), ("multiple", 1e6)):
        value: Any = found.get(name)
        if type(value) not in (int, float) or not 0 < value < most:
            raise UnfitError(
                f"{name} of interval is {show(value)}, expected above 0, below {most:g}"
            )


def _check_range(found: Any, name: str) -> None:
    ends = as_list(found, name)
    if [type(each) for each in ends] != [int, int] or not 1 <= ends[0] <= ends[1]:
        raise UnfitError(f"{name} is {show(found)}, expected the fewest and the most")


def _check_spacing(found: Any) -> None:
    if found is None:
        return
    ends = as_list(found, "spacing_mm")
    is_range = len(ends) == 2 and all(type(each) in (int, float) for each in ends)
    if not is_range or not 0 < ends[0] <= ends[1] <= _MAX_SPACING:
        raise UnfitError(
            f"spacing_mm is {show(found)}, expected the least and the greatest, above "
            f"0 and at most {_MAX_SPACING:g}"
        )
