"""Joining other processes, dealing out the data, and agreeing on what is wrong."""

import json
import pathlib

import jax
import numpy as np
import processes
import pytest
from agreeing_process import Counted

from sisr_jax.data.pipeline import training_batches
from sisr_jax.errors import InputError
from sisr_jax.hosts import agreement

WORKER = pathlib.Path(__file__).with_name("agreeing_process.py")


def _join(coordinator="", num_processes=None, process_id=None, heartbeat=100, **env):
    agreement.join(
        coordinator,
        num_processes=num_processes,
        process_id=process_id,
        heartbeat_seconds=heartbeat,
        environment=env,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"coordinator": "here"}, "--coordinator=here: expected HOST:PORT or auto"),
        ({"coordinator": "h:x"}, "--coordinator=h:x: expected HOST:PORT"),
        ({"coordinator": "h:1"}, "needs --num_processes"),
        ({"coordinator": "h:1", "num_processes": 2}, "needs --process_id"),
        ({"num_processes": 2}, "--num_processes=2: needs --coordinator"),
        ({"coordinator": "auto", "process_id": 1}, "--process_id=1: needs"),
        (
            {"coordinator": "h:1", "num_processes": 2, "process_id": 2},
            "--process_id=2: expected 0 <= id < 2",
        ),
        (
            {"coordinator": "h:1", "num_processes": 0, "process_id": 0},
            "--num_processes=0: expected 1 or more",
        ),
        ({"heartbeat": 0}, "--heartbeat_seconds=0: expected 1 or more"),
    ],
)
def test_impossible_flags_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        _join(**arguments)


@pytest.mark.parametrize(
    ("arguments", "initialised"),
    [
        ({}, None),
        ({"TPU_WORKER_HOSTNAMES": "localhost"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": ""}, None),
        ({"TPU_WORKER_HOSTNAMES": "10.0.0.1,10.0.0.2"}, {}),
        ({"MEGASCALE_COORDINATOR_ADDRESS": "10.0.0.1"}, {}),
        ({"SLURM_STEP_NUM_TASKS": "4"}, {}),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, {}),
        ({"coordinator": "auto"}, {}),
        (
            # What is said on the command line counts.
            {
                "coordinator": "10.0.0.9:80",
                "num_processes": 2,
                "process_id": 1,
                "SLURM_STEP_NUM_TASKS": "4",
            },
            {
                "coordinator_address": "10.0.0.9:80",
                "num_processes": 2,
                "process_id": 1,
            },
        ),
    ],
)
def test_one_place_decides_whom_to_join(monkeypatch, arguments, initialised):
    calls = []
    monkeypatch.setattr(
        jax.distributed, "initialize", lambda **call: calls.append(call)
    )
    _join(**arguments)
    heartbeat = {"heartbeat_timeout_seconds": 100}
    assert calls == ([] if initialised is None else [initialised | heartbeat])


def test_a_cluster_that_is_not_there_is_an_input_error(monkeypatch):
    def nothing_found(**arguments):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", nothing_found)
    with pytest.raises(InputError, match="--coordinator=auto: coordinator_address"):
        _join("auto")


def test_several_processes_that_never_met_are_refused(monkeypatch):
    agreement.check_joined()
    monkeypatch.setattr(jax, "process_count", lambda: 4)
    with pytest.raises(InputError, match="belong to 4 processes: add --coordinator"):
        agreement.check_joined()


def test_a_single_process_agrees_with_itself():
    assert agreement.is_first()
    assert agreement.together(lambda: 5) == 5
    assert agreement.first_alone(lambda: 6) == 6
    assert agreement.all_agree(True)
    assert not agreement.all_agree(False)
    agreement.check_same("seed", "5")


def test_two_processes_share_the_data_and_agree(load_config):
    """The global batches are those of one process; each image is read once."""
    port = processes.free_port()
    commands = [[str(WORKER), f"127.0.0.1:{port}", "2", str(i)] for i in range(2)]
    ended = processes.finish(processes.start(commands, num_devices=2))
    assert [code for code, _, _ in ended] == [0, 0], ended
    both = [json.loads(out.split("FOUND ")[1].splitlines()[0]) for _, out, _ in ended]
    first, second = both
    assert (first["is_first"], second["is_first"]) == (True, False)
    assert (first["first_alone"], second["first_alone"]) == ("written", None)
    for found in both:
        assert found["together"] == "fine"
        assert found["one_fails"] == "InputError: bad file on 1"
        assert not found["all_agree"]
        assert found["same"] is None
        assert found["differs"].startswith("InputError: the seed of process 1 differs")

    order = _images_of_batches(load_config("ct_srgan").data, count=12)
    for kind, start in ("training", 1), ("evaluation", 0):
        a, b = first[kind], second[kind]
        assert (a["rows"], b["rows"]) == ([0, 1], [2, 3])
        indices = np.arange(4 * start, 4 * start + 12).reshape(3, 4).tolist()
        assert a["index"] == b["index"] == indices
        assert a["mean"] == b["mean"]
    assert _images(first["training"]["mean"]) == order[1:4]
    for found, rows in (first, slice(0, 2)), (second, slice(2, 4)):
        reads = found["training"]["reads"]  # some ahead of what was asked for
        expected = [image for batch in order[1:] for image in batch[rows]]
        assert 6 <= len(reads) < len(expected)
        assert reads == expected[: len(reads)]
    once = first["evaluation"]["reads"] + second["evaluation"]["reads"]
    assert sorted(once) == list(range(11))


def _images_of_batches(config, count):
    """Which image each row of the global batches is, read by one process."""
    source = Counted(11, config.shape)
    with training_batches(source, config, seed=3, start_step=0) as batches:
        return _images([next(batches).hr.mean((1, 2, 3)) for _ in range(count)])


def _images(means):
    return [
        np.rint(np.multiply(mean, 2000) - 1000).astype(int).tolist() for mean in means
    ]
