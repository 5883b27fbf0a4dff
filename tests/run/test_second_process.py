"""A second process in a working folder is refused, whenever it comes."""

import re
import time

import processes
import pytest

from experiments.reliability.comparison import differences

COMMAND = (
    *("-m", "sisr_jax.main", "--config=configs/us_srgan.py:quicktest"),
    "--config.phases.generator=40",
    "--config.phases.discriminator=0",
    "--config.phases.adversarial=0",
    "--config.checkpoint.every_steps=4",
    "--config.evaluation.every_steps=20",
)


def _start(workdir, cache):
    (process,) = processes.start([[*COMMAND, f"--workdir={workdir}"]], 1, cache)
    return process


@pytest.mark.slow
def test_a_second_process_is_refused_and_harms_nothing(tmp_path):
    cache, straight, shared = (tmp_path / name for name in ("cache", "one", "shared"))
    ((code, _, errors),) = processes.finish([_start(straight, cache)])
    assert code == 0, errors
    both = [_start(shared, cache) for _ in range(2)]  # at the same moment
    while all(process.poll() is None for process in both):
        time.sleep(0.01)
    refused = [process for process in both if process.poll() is not None]
    (first,) = (process for process in both if process not in refused)
    ended = processes.finish(refused)
    while first.poll() is None:  # again and again, while it starts, saves and ends
        ended += processes.finish([_start(shared, cache)])
    assert [code for code, _, _ in processes.finish([first])] == [0]
    assert len(ended) >= 3
    for code, _, errors in ended[:-1]:  # the last one may have come after the end
        assert code == 2, errors
        line = (
            rf"sisr_jax: error: workdir {re.escape(str(shared))} is in use by process "
        )
        assert re.match(rf"{line}{first.pid} on \S+", errors.splitlines()[-1])
    assert not differences(straight, shared)
    assert not (shared / "lock.json").exists()
    assert not list(shared.rglob("*.tmp"))
