"""The working folder of a run: whose it is, and what made it.

A folder belongs to one configuration. Running the same command again resumes;
another configuration is refused before anything is written.
"""

import dataclasses
import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from typing import Any

from absl import logging
from etils import epath

from sisr_jax.config import Config, ConfigError, parse, upgraded
from sisr_jax.hosts.lock import Lock
from sisr_jax.storage.failures import refusing
from sisr_jax.storage.files import write_whole
from sisr_jax.storage.folder import check_writable

CONFIG_FILE = "config.json"
VERSIONS_FILE = "versions.json"

# Sections that change what is reported or kept, never what is learned.
_FREE = (
    "config.log.",
    "config.checkpoint.",
    "config.data.num_threads",
    "config.safety.",
    "config.mesh.",
    "config.evaluation.equalise_figure",
)
_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def claim(workdir: epath.Path, config: Config) -> Lock:
    """Makes the folder this configuration's, or checks that it is.

    Args:
        workdir: Working folder; created if absent.
        config: Configuration of the run.

    Returns:
        The lock of the folder, which this process has.

    Raises:
        InputError: If another process trains in the folder, or it holds another
            configuration's run (names the first differing keys), or holds
            checkpoints but no configuration, or cannot be written.
        StorageError: If the storage fails otherwise.
    """
    check_writable(workdir, "workdir")
    lock = Lock(workdir)
    lock.acquire()
    try:
        path = workdir / CONFIG_FILE
        if path.exists():
            check_same(workdir, config)
        elif (workdir / "checkpoints").exists():
            raise ConfigError(
                f"workdir {workdir}: has checkpoints but no {CONFIG_FILE}"
            )
        _write(path, dataclasses.asdict(config))
        _note_versions(workdir / VERSIONS_FILE)
    except BaseException:
        lock.release()
        raise
    return lock


def check_same(workdir: epath.Path, config: Config) -> None:
    """Checks that a working folder belongs to a configuration.

    Raises:
        ConfigError: Naming the first differing keys, or if there is none.
    """
    configs = (read_config(workdir), config)
    old, new = (dict(_leaves(dataclasses.asdict(c), "config")) for c in configs)
    changed = [
        f"{key} = {old.get(key)!r} there, {new.get(key)!r} here"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(_FREE)
    ]
    if changed:
        more = f" (and {len(changed) - 3} more)" if len(changed) > 3 else ""
        raise ConfigError(
            f"workdir {workdir} holds another configuration's run: "
            f"{'; '.join(changed[:3])}{more}"
        )


def read_config(workdir: epath.Path) -> Config:
    """Reads the configuration that a working folder belongs to.

    Raises:
        InputError: If there is none, or it is not readable.
        StorageError: If the storage fails otherwise.
    """
    path = workdir / CONFIG_FILE
    with refusing(f"workdir {workdir}: reading {CONFIG_FILE}"):
        text = path.read_text()
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: not a JSON file: {error}") from error
    try:
        return parse(upgraded(values))
    except ConfigError as error:
        raise ConfigError(f"{path}: not of this version: {error}") from error


def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries that shape a run."""
    found = {"python": platform.python_version()}
    for package in ("sisr-jax", *_PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _note_versions(path: epath.Path) -> None:
    """Keeps the versions that a run began with; other ones later are a warning."""
    here = versions()
    if not path.exists():
        _write(path, here)
        return
    there = json.loads(path.read_text())
    for package in sorted(there.keys() | here.keys()):
        if there.get(package) != here.get(package):
            logging.warning(
                "%s: the run began with %s %s, this is %s: bits may differ",
                path,
                package,
                there.get(package),
                here.get(package),
            )


def _leaves(values: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _leaves(value, f"{path}.{key}")
    else:
        yield path, values


def _write(path: epath.Path, values: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(values, indent=2) + "\n")
