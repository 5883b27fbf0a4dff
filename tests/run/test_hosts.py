"""Several processes train and evaluate as one does; errors end all of them."""

import csv
import json
import re
import shutil
import signal
import time

import jax
import numpy as np
import processes
import pytest
from etils import epath

from sisr_jax.checkpoints.restore import CheckpointReader
from sisr_jax.config.kept import read_config
from sisr_jax.hosts.mesh import make_mesh, replicated
from sisr_jax.train.task import abstract_state, build_task

CONFIG = "--config=configs/us_srgan.py:quicktest"


def _run(workdir, num_processes, num_devices, *arguments, cache=None):
    commands = processes.main_commands(
        num_processes, CONFIG, f"--workdir={workdir}", *arguments
    )
    return processes.finish(processes.start(commands, num_devices, cache))


def _newest_state(workdir):
    workdir = epath.Path(workdir)
    task = build_task(read_config(workdir))
    reader = CheckpointReader(workdir)
    try:
        state = reader.restore_newest(abstract_state(task, replicated(make_mesh(1))))
    finally:
        reader.close()
    return state.replace(key=jax.random.key_data(state.key))


def _records(workdir):
    """Without the speed: a compiled step has one only if the next is done by then."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line).items() for line in lines]
    return [{k: v for k, v in each if not k.startswith("perf/")} for each in records]


def _table(workdir):
    with (workdir / "evaluation" / "step_8" / "per_image.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def alone(tmp_path_factory, cache):
    """One process with four devices."""
    workdir = tmp_path_factory.mktemp("alone")
    ((code, _, errors),) = processes.finish(
        processes.start(
            [["-m", "sisr_jax.main", CONFIG, f"--workdir={workdir}"]], 4, cache
        )
    )
    assert code == 0, errors
    return workdir


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_processes", "num_devices"),
    [(2, 2), pytest.param(4, 1, marks=pytest.mark.long)],
)
def test_processes_end_where_one_does(
    alone, tmp_path, cache, num_processes, num_devices
):
    ended = _run(tmp_path, num_processes, num_devices, cache=cache)
    assert [code for code, _, _ in ended] == [0] * num_processes, ended
    assert ["PSNR" in out for _, out, _ in ended] == [True] + [False] * (
        num_processes - 1
    )
    # Each device computes the same; the sums over devices are taken in another
    # order, and Adam magnifies what rounding leaves of gradients near zero.
    states = [_newest_state(workdir) for workdir in (alone, tmp_path)]
    assert [int(state.step) for state in states] == [8, 8]
    leaves = [jax.tree_util.tree_leaves_with_path(state) for state in states]
    for (path, a), (_, b) in zip(*leaves, strict=True):
        name = jax.tree_util.keystr(path)
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6, err_msg=name)
    assert not list((tmp_path / "checkpoints").glob("*tmp*"))

    for a, b in zip(_records(alone), _records(tmp_path), strict=True):
        assert a.keys() == b.keys()
        assert a.pop("protocol", None) == b.pop("protocol", None)
        for name in a:
            assert a[name] == pytest.approx(b[name], rel=1e-4, abs=1e-5), name
    for a, b in zip(_table(alone), _table(tmp_path), strict=True):
        assert (a["method"], a["image"]) == (b["method"], b["image"])
        assert float(a["psnr"]) == pytest.approx(float(b["psnr"]), abs=1e-3)
    files = [
        {path.name for path in workdir.rglob("*") if "checkpoints" not in path.parts}
        for workdir in (alone, tmp_path)
    ]
    names = [{n for n in each if not n.startswith("events")} for each in files]
    assert names[0] == names[1]
    events = (tmp_path / "tensorboard").rglob("events*")
    assert sorted(each.parent.name for each in events) == ["baseline", "tensorboard"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--config.data.batch_size=6",
            "the configuration of process 1 differs from that of process 0: "
            "expected the same command on every host",
        ),
        (
            "--config.degradation.factor=3",
            "config.degradation.factor = 3: expected a power of two",
        ),
    ],
)
def test_what_is_wrong_on_one_ends_all_with_its_line(tmp_path, flag, message):
    commands = processes.main_commands(2, CONFIG, f"--workdir={tmp_path / 'run'}")
    commands[1].append(flag)
    ended = processes.finish(processes.start(commands, num_devices=1))
    for code, _, errors in ended:
        assert code == 2, errors
        assert errors.splitlines()[-1] == f"sisr_jax: error: {message}"
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.long
def test_a_run_moves_to_other_processes_and_devices(tmp_path, cache):
    """Preempted as 2 processes x 2 devices; any other shape goes on from there."""
    arguments = [
        "--config.phases.generator=24",
        "--config.phases.discriminator=0",
        "--config.phases.adversarial=0",
        "--config.data.batch_size=8",
        "--config.evaluation.batch_size=8",
        "--config.checkpoint.every_steps=100",
    ]
    first = tmp_path / "2x2"
    commands = processes.main_commands(2, CONFIG, f"--workdir={first}", *arguments)
    running = processes.start(commands, 2, cache)
    try:
        _wait_until(lambda: _last_step(first) >= 2, running)
        # JAX looks once a second for the signal; meanwhile the other one holds all up.
        running[0].send_signal(signal.SIGSTOP)
        running[1].send_signal(signal.SIGTERM)
        time.sleep(2)
        running[0].send_signal(signal.SIGCONT)
    finally:
        ended = processes.finish(running)
    lines = {errors.splitlines()[-1] for _, _, errors in ended}
    assert [code for code, _, _ in ended] == [75, 75], ended
    (line,) = lines
    step = int(re.fullmatch(r"sisr_jax: preempted at step (\d+): saved", line)[1])
    assert 2 <= step < 24
    assert (first / "checkpoints" / str(step)).is_dir()

    states = []
    for num_processes, num_devices in (2, 2), (1, 8), (4, 1), (1, 1):
        workdir = tmp_path / f"then_{num_processes}x{num_devices}"
        shutil.copytree(first, workdir)
        ended = _run(workdir, num_processes, num_devices, *arguments, cache=cache)
        assert [code for code, _, _ in ended] == [0] * num_processes, ended
        states.append(jax.tree_util.tree_leaves_with_path(_newest_state(workdir)))
        records = _records(workdir)
        assert [r["step"] for r in records if "loss/generator" in r] == [*range(1, 25)]
    for other in states[1:]:
        for (path, a), (_, b) in zip(states[0], other, strict=True):
            name = jax.tree_util.keystr(path)
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=2e-6, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, 75), (signal.SIGSTOP, -signal.SIGABRT)]
)
def test_survivors_leave_within_the_heartbeat(tmp_path, cache, number, code):
    """Of a process that is gone, by a line; of one that hangs, by the runtime."""
    commands = processes.main_commands(
        2,
        CONFIG,
        f"--workdir={tmp_path}",
        "--config.phases.generator=100000",
        heartbeat_seconds=10,
    )
    running = processes.start(commands, 1, cache)
    try:
        _wait_until(lambda: _last_step(tmp_path) >= 3, running)
        running[1].send_signal(number)
        began = time.monotonic()
        assert running[0].wait(timeout=60) == code
        assert time.monotonic() - began < 2 * 10 + 5  # it may miss one by a moment
        errors = running[0].stderr.read()
    finally:
        for process in running:
            process.kill()
            process.communicate()
    if code == 75:
        assert "sisr_jax: another process of the run is lost: " in errors


def _last_step(workdir):
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return json.loads(lines[-1])["step"] if lines and lines[-1][-1] == "}" else 0


def _wait_until(condition, running):
    deadline = time.monotonic() + 300
    while not condition():
        assert all(process.poll() is None for process in running), "ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)
