"""A run before its first step: everything checked and opened, nothing compiled."""

from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
from absl import logging
from etils import epath
from jax.sharding import Mesh

from sisr_jax.checkpoints.pretrained import load_weights
from sisr_jax.checkpoints.restore import has_checkpoints
from sisr_jax.checkpoints.save import Checkpointer
from sisr_jax.config import Config, ConfigError
from sisr_jax.data.checks import check_images
from sisr_jax.data.sources import Source, fingerprint, open_source, spread
from sisr_jax.data.splits import Split
from sisr_jax.hosts import agreement, leaving
from sisr_jax.hosts.lock import Lock
from sisr_jax.hosts.mesh import check_divisible, make_mesh, replicated
from sisr_jax.run import workdir as workdirs
from sisr_jax.storage.folder import open_folder
from sisr_jax.train import phases
from sisr_jax.train.state import TrainState
from sisr_jax.train.task import (
    Task,
    abstract_state,
    build_task,
    fresh_state,
    state_sharding,
)

_NETWORKS = ("generator", "discriminator")

_FEW = 4


class Run(NamedTuple):
    """What a run needs besides its state.

    Attributes:
        config: Configuration.
        workdir: Working folder, claimed for the configuration.
        lock: Of the working folder, which this process has; None on all processes but
            the first.
        mesh: Devices.
        task: Modules, optimisers and pair makers.
        training: Training split.
        validation: Validation split.
        weights: Pretrained `params` and `batch_stats` by network, empty when
            the run resumes.
    """

    config: Config
    workdir: epath.Path
    lock: Lock | None
    mesh: Mesh
    task: Task
    training: Source
    validation: Source
    weights: dict[str, Any]


def prepare(config: Config, workdir: epath.Path) -> Run:
    """Checks all that can be wrong with a run before it costs anything.

    Every process of the run must call it; what is wrong on one is raised on all.

    Args:
        config: Configuration.
        workdir: Working folder; claimed for this configuration.

    Raises:
        ValueError: One line that names the key or file, its value and what was
            expected.
    """
    agreement.check_same("configuration", repr((config, str(workdir))))
    mesh, task, sources = agreement.together(lambda: _checked(config))
    images = agreement.together(lambda: _fingerprints(sources))
    agreement.check_same(
        "set of images", repr(images), expected="the same files on every host"
    )
    weights = agreement.together(
        lambda: {} if has_checkpoints(workdir) else _pretrained(task, mesh)
    )
    lock = agreement.first_alone(lambda: _claim(workdir, config, images))
    return Run(
        config,
        workdir,
        lock,
        mesh,
        task,
        sources["train"],
        sources["validation"],
        weights,
    )


def _claim(workdir: epath.Path, config: Config, images: dict[str, str]) -> Lock:
    lock = workdirs.claim(workdir, config, images)
    leaving.forget_failures(workdir)
    return lock


def _checked(config: Config) -> tuple[Mesh, Task, dict[str, Source]]:
    if phases.total_steps(config.phases) == 0:
        raise ConfigError("config.phases: expected at least one step in some phase")
    mesh = make_mesh(model=config.mesh.model)
    check_divisible(config.data.batch_size, mesh, "data.batch_size")
    check_divisible(config.evaluation.batch_size, mesh, "evaluation.batch_size")
    sources = {
        split: open_source(config.data, split, seed=config.seed)
        for split in get_args(Split)
    }
    if config.data.split_by == "position":
        logging.warning(
            "config.data.split_by = 'position': the test holds slices of patients that "
            "training sees; its scores say nothing of other patients"
        )
    for split, source in sources.items():
        # Of procedural images, which are alike, a few tell whether the window is good.
        seen = source if config.data.path else spread(source, _FEW)
        found = check_images(
            seen,
            config.data,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        for remark in found.remarks():
            logging.warning("%s: %s", split, remark)
    task = build_task(config)
    state_sharding(task, mesh)  # raises if the weights cannot be split
    return mesh, task, sources


def _fingerprints(sources: dict[str, Source]) -> dict[str, str]:
    return {split: fingerprint(source) for split, source in sources.items()}


def open_checkpoints(run: Run) -> Checkpointer:
    """The checkpoints of a run, with the phase borders kept for good."""
    return Checkpointer(
        run.workdir,
        keep_last=run.config.checkpoint.keep_last,
        keep_steps=(0, *phases.borders(run.config.phases)),
    )


def first_state(run: Run, checkpointer: Checkpointer) -> tuple[TrainState, bool]:
    """The newest checkpoint's state, or a fresh one with pretrained weights.

    Returns:
        The state, and whether it was restored.
    """
    sharding = state_sharding(run.task, run.mesh)
    restored = checkpointer.restore_newest(abstract_state(run.task, sharding))
    if restored is not None:
        logging.info("resuming at step %d", int(restored.step))
        return restored, True
    state = fresh_state(run.task, sharding)
    for name, weights in run.weights.items():
        network = getattr(state, name)
        places = {part: _places(getattr(network, part)) for part in weights}
        network = network.replace(**jax.device_put(weights, places))
        state = state.replace(**{name: network})
    if "generator" in run.weights:
        # A copy: donated arguments must not share a buffer.
        average = jax.tree.map(jnp.copy, state.generator.params)
        state = state.replace(generator_ema=average)
    return state, False


def _places(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.sharding, tree)


def _pretrained(task: Task, mesh: Mesh) -> dict[str, Any]:
    init, target = task.config.init, abstract_state(task, replicated(mesh))
    return {
        name: load_weights(
            open_folder(getattr(init, name), f"config.init.{name}"),
            name,
            getattr(target, name),
        )
        for name in _NETWORKS
        if getattr(init, name)
    }
