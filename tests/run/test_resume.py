"""A run that is killed anywhere ends bit-identical to one that never was."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from etils import epath

from sisr_jax.checkpoints.restore import CheckpointReader
from sisr_jax.config.kept import read_config
from sisr_jax.hosts.mesh import make_mesh, replicated
from sisr_jax.train.task import abstract_state, build_task

ROOT = pathlib.Path(__file__).parents[2]

# Saves after every step, so that many kills fall into one.
COMMAND = (
    sys.executable,
    "-m",
    "sisr_jax.main",
    "--config=configs/ct_srgan.py:quicktest",
    "--config.phases.generator=6",
    "--config.phases.discriminator=4",
    "--config.phases.adversarial=6",
    "--config.generator.norm=batch",
    "--config.discriminator.norm=batch",
    "--config.checkpoint.every_steps=1",
)
LAST_STEP = 16


def _start(workdir, cache):
    environment = dict(
        os.environ, JAX_PLATFORMS="cpu", JAX_COMPILATION_CACHE_DIR=str(cache)
    )
    return subprocess.Popen(
        [*COMMAND, f"--workdir={workdir}"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def _kill_when(process, condition):
    """Kills the process as soon as the condition holds; False if it ended before."""
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if condition():
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return True
        time.sleep(0.0005)
    process.communicate()
    return False


def _records(workdir):
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except json.JSONDecodeError:
            continue  # torn by the kill, or being written
        records.append({k: v for k, v in record.items() if not k.startswith("perf/")})
    return records


def _last_step(workdir):
    return max((record["step"] for record in _records(workdir)), default=0)


def _is_saving(workdir, after):
    folder = workdir / "checkpoints"
    return folder.is_dir() and any(
        "tmp" in path.name and int(path.name.split(".")[0]) > after
        for path in folder.iterdir()
    )


def _final_state(workdir):
    workdir = epath.Path(workdir)
    task = build_task(read_config(workdir))
    reader = CheckpointReader(workdir)
    try:
        assert reader.steps()[-1] == LAST_STEP
        return reader.restore(LAST_STEP, abstract_state(task, replicated(make_mesh(1))))
    finally:
        reader.close()


@pytest.mark.slow
def test_killed_run_ends_bit_identical(tmp_path):
    cache = tmp_path / "cache"
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    _finish(_start(straight, cache))

    conditions = [
        lambda: (killed / "config.json").exists(),  # before the first save
        lambda: _last_step(killed) >= 2,
        lambda: _is_saving(killed, after=4),
        lambda: _last_step(killed) >= 6,  # at the border of two phases
        lambda: _is_saving(killed, after=8),
        lambda: _last_step(killed) >= 11,  # in the adversarial phase
        lambda: _is_saving(killed, after=13),
    ]
    kills = [_kill_when(_start(killed, cache), condition) for condition in conditions]
    assert sum(kills) >= 5, "the run was over before it could be killed"
    _finish(_start(killed, cache))

    assert _records(killed) == _records(straight)
    assert [r["step"] for r in _records(killed) if "loss/generator" in r]
    states = [_final_state(straight), _final_state(killed)]
    leaves = [
        jax.tree_util.tree_leaves_with_path(
            state.replace(key=jax.random.key_data(state.key))
        )
        for state in states
    ]
    for (path, a), (_, b) in zip(*leaves, strict=True):
        assert np.array_equal(a, b), jax.tree_util.keystr(path)
