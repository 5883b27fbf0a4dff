"""The working folder of a run: whose it is, and what may change in it.

A folder belongs to one configuration. Running the same command again resumes;
another configuration is refused before anything is written.
"""

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from absl import logging
from etils import epath

from sisr_jax.config import Config, ConfigError, Phases
from sisr_jax.config.kept import CONFIG_FILE, has_config, read_config
from sisr_jax.errors import InputError
from sisr_jax.hosts.lock import Lock
from sisr_jax.run.images import kept_fingerprint, note_images
from sisr_jax.run.versions import note_versions
from sisr_jax.storage.files import is_unfinished, names_in
from sisr_jax.storage.folder import check_possible, check_writable
from sisr_jax.storage.json_files import read_object, write_object
from sisr_jax.train import phases

# Where the images are, which `images` compares.
_PLACES = (
    "config.data.path",
    "config.data.splits_csv",
    "config.data.num_threads",
)
# What changes how a run goes and what it tells, never what it learns.
MAY_CHANGE_ON_RESUME = (
    *_PLACES,
    "config.checkpoint.",
    "config.evaluation.",
    "config.init.",  # read by a fresh run alone
    "config.log.",
    "config.mesh.",
    "config.safety.",
)
# What decides on which images a network is scored, never which network.
_IMAGES = ("config.data.", "config.degradation.", "config.seed")
MAY_CHANGE_IN_EVALUATION = (*MAY_CHANGE_ON_RESUME, *_IMAGES)
_RULES = {
    MAY_CHANGE_ON_RESUME: "only paths, threads, devices (mesh), log, checkpoint, "
    "evaluation and safety may change, and the last phase may become longer",
    MAY_CHANGE_IN_EVALUATION: "in an evaluation only data, degradation, seed and what "
    "may change on resume may be others",
}
_SHOWN = 3
# Beside scores that lie outside of the working folder.
_RUN_FILE = "run.json"


def claim(workdir: epath.Path, config: Config, images: Mapping[str, str]) -> Lock:
    """Makes the folder this configuration's, or checks that it is.

    Args:
        workdir: Working folder; created if absent.
        config: Configuration of the run.
        images: Fingerprints of the splits, by their names.

    Returns:
        The lock of the folder, which this process has.

    Raises:
        InputError: If another process trains in the folder, or it holds another
            configuration's run (names the first differing keys), or that of other
            images, or holds checkpoints but no configuration, or cannot be written.
        StorageError: If the storage fails otherwise.
    """
    check_writable(workdir, "workdir")
    lock = Lock(workdir)
    lock.acquire()
    try:
        if has_config(workdir):
            check_same(workdir, config, MAY_CHANGE_ON_RESUME)
        elif (workdir / "checkpoints").exists():
            raise ConfigError(
                f"workdir {workdir}: has checkpoints but no {CONFIG_FILE}"
            )
        note_images(workdir, images)
        write_object(workdir / CONFIG_FILE, dataclasses.asdict(config))
        note_versions(workdir)
    except BaseException:
        lock.release()
        raise
    return lock


def check_same(
    workdir: epath.Path, config: Config, may_change: tuple[str, ...]
) -> None:
    """Checks that a working folder belongs to a configuration.

    Args:
        workdir: Working folder.
        config: Configuration.
        may_change: Beginnings of keys: `MAY_CHANGE_ON_RESUME`, where the last phase
            may also become longer, or `MAY_CHANGE_IN_EVALUATION`.

    Raises:
        ConfigError: Naming the first differing keys, or if there is none.
    """
    own = read_config(workdir)
    found = _differences(own, config, may_change)
    if _is_longer(own.phases, config.phases):
        for key in [key for key in found if key.startswith("config.phases.")]:
            logging.warning(
                "%s there, %s here: a longer run, over which learning rates that "
                "follow its length are spread anew",
                *found.pop(key),
            )
    if found:
        lines = [f"{there} there, {here} here" for there, here in found.values()]
        changed = "; ".join(lines[:_SHOWN])
        more = f" (and {len(found) - _SHOWN} more)" if len(found) > _SHOWN else ""
        raise ConfigError(
            f"workdir {workdir} holds another configuration's run: {changed}{more}; "
            f"{_RULES[may_change]}"
        )


def evaluation_folder(
    workdir: epath.Path,
    step: int,
    config: Config,
    split: str,
    images: str,
    *,
    output: epath.Path | None = None,
) -> epath.Path:
    """Where scores go: those on the run's own test images have no further name.

    Args:
        workdir: Working folder.
        step: Step of the checkpoint.
        config: Configuration of the evaluation.
        split: Its split.
        images: Fingerprint of the images.
        output: Where instead of `evaluation` in the working folder, which may be
            another person's.

    Raises:
        InputError: If files cannot be written there, or another run's scores or what
            nobody knows of are: not after all images are scored.
    """
    name = f"step_{step}" if split == "test" else f"step_{step}_{split}"
    own = read_config(workdir)
    changed = _differences(own, config, MAY_CHANGE_ON_RESUME)
    kept = kept_fingerprint(workdir, split)
    is_same = own.data.path == config.data.path if kept is None else images == kept
    if not is_same or any(key.startswith(_IMAGES) for key in changed):
        others = repr((config.data, config.degradation, config.seed, images))
        name += f"_{hashlib.sha256(others.encode()).hexdigest()[:6]}"
        logging.warning("not the images of the run: scores go to %s", name)
    if output is not None:
        check_possible(output / name, "--output")
        _check_scores(output / name, workdir)
        return output / name
    folder = workdir / "evaluation" / name
    try:
        check_possible(folder, "workdir")
    except InputError as error:
        raise InputError(
            f"{error}; --mode=evaluate --output=FOLDER writes elsewhere"
        ) from error
    return folder


def note_run(folder: epath.Path, workdir: epath.Path) -> None:
    """Notes in a folder of scores, outside of the run's, of which run they are.

    Before the scores: after a kill, what is there of them would be nobody's.

    Args:
        folder: Of `evaluation_folder`.
        workdir: Working folder of the run.
    """
    write_object(folder / _RUN_FILE, {"run": _identity(workdir)})


def _check_scores(folder: epath.Path, workdir: epath.Path) -> None:
    """Refuses a folder of another run's scores: names tell of step and images alone."""
    path = folder / _RUN_FILE
    names = [name for name in names_in(folder) if not is_unfinished(name)]
    if names and _RUN_FILE not in names:
        raise InputError(
            f"--output: {folder} holds {names[0]!r} and no {_RUN_FILE} that says of "
            "which run: expected another folder"
        )
    if names and read_object(path).get("run") != _identity(workdir):
        raise InputError(
            f"--output: {folder} has the scores of another run, expected another folder"
        )


def _identity(workdir: epath.Path) -> str:
    """Equal for runs that learn the same, wherever they are."""
    leaves = _leaves(dataclasses.asdict(read_config(workdir)), "config")
    learnt = [leaf for leaf in leaves if not leaf[0].startswith(MAY_CHANGE_ON_RESUME)]
    images = kept_fingerprint(workdir, "train")
    return hashlib.sha256(repr((sorted(learnt), images)).encode()).hexdigest()


def _differences(
    own: Config, other: Config, may_change: tuple[str, ...]
) -> dict[str, tuple[str, str]]:
    """Keys with other values, and how they read there and here."""
    old, new = (
        dict(_leaves(dataclasses.asdict(config), "config")) for config in (own, other)
    )
    return {
        key: (f"{key} = {old.get(key)!r}", repr(new.get(key)))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not key.startswith(may_change)
    }


def _is_longer(own: Phases, other: Phases) -> bool:
    """Whether all steps of a run are steps of another one, of the same kinds."""
    old, new = phases.schedule(own), phases.schedule(other)
    *before, last = old
    return (
        len(new) >= len(old)
        and list(new[: len(before)]) == before
        and new[len(before)][:2] == last[:2]
        and new[len(before)].stop >= last.stop
    )


def _leaves(values: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for key, value in values.items():
            yield from _leaves(value, f"{path}.{key}")
    else:
        yield path, values
