"""Numbers are written one record late, with the speed, and looked at."""

import jax.numpy as jnp
import numpy as np
import pytest
from recorders import Recorder

from sisr_jax.run import deferred
from sisr_jax.run.deferred import DeferredScalars, StepsDone


def test_deferred_scalars_are_written_one_record_late():
    recorder = Recorder()
    scalars = DeferredScalars(recorder, done=StepsDone(0), look=_ignore)
    scalars.push(1, {"loss/generator": jnp.float32(0.5)})
    assert recorder.calls == []
    scalars.push(2, {"loss/generator": jnp.float32(0.25)})
    assert [_without_speed(call) for call in recorder.calls] == [
        (1, {"loss/generator": 0.5})
    ]
    scalars.flush()
    scalars.flush()
    assert [_without_speed(call) for call in recorder.calls[1:]] == [
        (2, {"loss/generator": 0.25})
    ]


def _ignore(step, record):
    pass


def _without_speed(call):
    step, record = call
    return step, {k: v for k, v in record.items() if not k.startswith("perf/")}


class Device:
    """Does each step of a training at a known second; the host may fetch any later."""

    def __init__(self, monkeypatch, start):
        self.now, self.done, self.recorder = 0.0, StepsDone(start), Recorder()
        monkeypatch.setattr(deferred.time, "monotonic", lambda: self.now)
        self.scalars = DeferredScalars(self.recorder, done=self.done, look=_ignore)

    def dispatch(self, step, *, ready_at):
        self.done.follow(step, _Number(self, ready_at))

    def speeds(self):
        return [
            record.get("perf/steps_per_second") for _, record in self.recorder.calls
        ]


class _Number:
    def __init__(self, device, ready_at):
        self._device, self._ready_at = device, ready_at

    def is_ready(self):
        return self._device.now >= self._ready_at


def test_speed_is_that_of_the_steps_which_are_done(monkeypatch):
    device = Device(monkeypatch, start=10)
    for step in range(11, 15):
        device.dispatch(step, ready_at=step - 10)
    device.scalars.push(12, {})
    device.now = 2.0
    device.scalars.flush()  # 2 steps in 2 seconds, 2 are under way
    device.now = 100.0
    device.scalars.restart_clock()  # an evaluation in between
    device.dispatch(15, ready_at=104)
    device.scalars.push(15, {})
    device.now = 104.0
    device.scalars.flush()  # 1 step in 4 seconds
    assert device.speeds() == [1.0, 0.25]


def test_records_that_are_fetched_late_say_the_speed_of_the_training(monkeypatch):
    """Each step is done a second after it was dispatched, and waited for there."""
    device = Device(monkeypatch, start=0)
    for step in range(1, 5):
        device.dispatch(step, ready_at=device.now + 1)
        device.now += 1
        if step == 1:  # it was compiled
            device.scalars.restart_clock()
        device.scalars.push(step, {})
    device.scalars.flush()  # before a checkpoint, at once after the last
    assert device.speeds() == [1.0, 1.0, 1.0, 1.0]


def test_a_step_is_done_once_its_record_is_fetched(monkeypatch):
    """One device may have the number that another one is still computing."""
    device = Device(monkeypatch, start=0)
    device.dispatch(1, ready_at=3)
    device.dispatch(2, ready_at=4)
    device.scalars.push(2, {})
    device.now = 2.0
    device.scalars.flush()
    assert device.speeds() == [1.0]
    assert device.done.last() == 2


def test_a_step_that_was_not_measured_has_no_speed():
    recorder = Recorder()
    scalars = DeferredScalars(recorder, done=StepsDone(0), look=_ignore)
    scalars.push(1, {"loss/generator": jnp.float32(0.5)})
    scalars.restart_clock()  # it was compiled
    scalars.flush()
    assert recorder.calls == [(1, {"loss/generator": 0.5})]


def test_steps_are_done_in_their_order_once_their_number_is_there(monkeypatch):
    device = Device(monkeypatch, start=3)
    for step, second in ((4, 1), (5, 3), (6, 2)):
        device.dispatch(step, ready_at=second)
    seen = []
    for device.now in range(5):
        seen.append(device.done.last())
    assert seen == [3, 4, 4, 6, 6]


def test_a_record_is_looked_at_once_it_is_written():
    recorder, seen = Recorder(), []

    def look(step, record):
        seen.append((step, record["loss/pixel"], len(recorder.calls)))
        raise FloatingPointError("stop")

    scalars = DeferredScalars(recorder, done=StepsDone(0), look=look)
    scalars.push(7, {"loss/pixel": jnp.float32(np.inf)})
    with pytest.raises(FloatingPointError, match="stop"):
        scalars.push(8, {"loss/pixel": jnp.float32(0.0)})
    assert seen == [(7, np.inf, 1)]
