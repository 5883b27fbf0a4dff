"""What differs between two working folders that should be equal to the bit."""

import json

import jax
import numpy as np
from etils import epath

from sisr_jax.checkpoints.restore import CheckpointReader
from sisr_jax.config.kept import read_config
from sisr_jax.hosts.mesh import make_mesh, replicated
from sisr_jax.train.phases import total_steps
from sisr_jax.train.task import abstract_state, build_task


def differences(straight, disturbed):
    """One line for each loss; empty if there is none."""
    found = _states(straight, disturbed)
    if _records(straight) != _records(disturbed):
        found.append("records of metrics.jsonl differ")
    for path in sorted(straight.glob("evaluation/*/*.csv")):
        other = disturbed / path.relative_to(straight)
        if not other.exists() or other.read_bytes() != path.read_bytes():
            found.append(f"{other.name} differs")
    damaged = list(disturbed.glob("damaged_checkpoints/*"))
    found += [f"checkpoint {path.name} was damaged" for path in damaged]
    return found


def _states(*folders):
    states = [_leaves(folder) for folder in folders]
    return [
        f"leaf {path} differs"
        for path, values in states[0].items()
        if not np.array_equal(values, states[1].get(path))
    ]


def _leaves(folder):
    """The state after the last step, by path."""
    workdir = epath.Path(folder)
    config = read_config(workdir)
    target = abstract_state(build_task(config), replicated(make_mesh(1)))
    reader = CheckpointReader(workdir)
    try:
        state = reader.restore(total_steps(config.phases), target)
    finally:
        reader.close()
    state = state.replace(key=jax.random.key_data(state.key))
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def _records(folder):
    """The lines of a run, without what depends on the clock."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if not k.startswith("perf/")}
        for line in lines
    ]
