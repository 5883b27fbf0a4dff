"""Saves that have not reached their end, as Orbax leaves them in a folder.

On a disk, a save is written under a temporary name and then renamed; in a bucket, it
is written in place and marked by a file in the end.
"""

import jax
from absl import logging
from etils import epath

from sisr_jax.storage.files import is_remote, names_in, sync_tree

_TEMPORARY = ".orbax-checkpoint-tmp"
_MARK = "commit_success.txt"


def is_complete(checkpoint: epath.Path) -> bool:
    """Whether a save reached its end."""
    if is_remote(checkpoint):
        return (checkpoint / _MARK).exists()
    return _TEMPORARY not in checkpoint.name


def warn_of_interrupted_saves(folder: epath.Path) -> None:
    """Logs what earlier saves left among the checkpoints of a folder."""
    for name in names_in(folder):
        if not is_complete(folder / name):
            logging.warning(
                "%s: what is left of an interrupted save, not used", folder / name
            )


def sync_unfinished(folder: epath.Path) -> None:
    """Returns once the disk of the first host holds the save that is being written.

    Called before it is renamed and older checkpoints are removed: a power failure, or
    a disk that fails at this very moment, then finds the one or the others.
    """
    if is_remote(folder) or jax.process_index() != 0:
        return
    for name in names_in(folder):
        if not is_complete(folder / name):
            sync_tree(folder / name)
