"""The images that a run began with: others would make it another run."""

from collections.abc import Mapping

from absl import logging
from etils import epath

from sisr_jax.errors import InputError
from sisr_jax.storage.json_files import read_object, write_object

IMAGES_FILE = "images.json"


def note_images(workdir: epath.Path, fingerprints: Mapping[str, str]) -> None:
    """Keeps what the images of a run were, or checks that they still are.

    Args:
        workdir: Working folder.
        fingerprints: Of each split, by its name; see `data.sources.fingerprint`.

    Raises:
        InputError: If images that the run learns from were replaced, removed, added
            or put in another order. Those that it is only scored on are a warning.
        StorageError: If the storage fails.
    """
    path = workdir / IMAGES_FILE
    if not path.exists():  # at the beginning, or the run is older than the file
        write_object(path, fingerprints)
        return
    there = read_object(path)
    changed = [name for name in fingerprints if fingerprints[name] != there.get(name)]
    if "train" in changed:
        raise InputError(
            f"{path}: the run began with other images to train on: some were "
            "replaced, removed, added or put in another order since; put them back, or "
            "remove this file to go on with those of now"
        )
    for name in changed:
        logging.warning(
            "%s: the run began with other images in its %s split; its scores before "
            "and after cannot be compared",
            path,
            name,
        )


def kept_fingerprint(workdir: epath.Path, split: str) -> str | None:
    """What a split was when the run began; None if the run is older than the file."""
    path = workdir / IMAGES_FILE
    return str(read_object(path).get(split)) if path.exists() else None
