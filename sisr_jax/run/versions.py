"""The versions that a run began with."""

import importlib.metadata
import platform

from absl import logging
from etils import epath

from sisr_jax.data.json_fields import show
from sisr_jax.storage.json_files import read_object, write_object

VERSIONS_FILE = "versions.json"

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")


def versions() -> dict[str, str]:
    """Versions of Python, this package and the libraries that shape a run."""
    found = {"python": platform.python_version()}
    for package in ("sisr-jax", *_PACKAGES):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def note_versions(workdir: epath.Path) -> None:
    """Keeps the versions that a run began with; other ones later are a warning.

    Raises:
        InputError: If what was kept cannot be read.
        StorageError: If the storage fails otherwise.
    """
    path, here = workdir / VERSIONS_FILE, versions()
    if not path.exists():
        write_object(path, here)
        return
    there = read_object(path)
    for package in sorted(here):
        if there.get(package) != here.get(package):
            logging.warning(
                "%s: the run began with %s %s, this is %s: bits may differ",
                path,
                show(package),
                show(there.get(package)),
                here.get(package),
            )
