"""Numbers are written one record late, with the speed, and looked at."""

import jax.numpy as jnp
import numpy as np
import pytest
from recorders import Recorder

from sisr_jax.run import deferred
from sisr_jax.run.deferred import DeferredScalars


def test_deferred_scalars_are_written_one_record_late():
    recorder = Recorder()
    scalars = DeferredScalars(recorder, start=0, look=_ignore)
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


def test_speed_is_measured_between_arrivals(monkeypatch):
    now = iter([0.0, 2.0, 100.0, 104.0])
    monkeypatch.setattr(deferred.time, "monotonic", lambda: next(now))
    recorder = Recorder()
    scalars = DeferredScalars(recorder, start=10, look=_ignore)
    scalars.push(14, {})
    scalars.flush()  # 4 steps in 2 seconds
    scalars.restart_clock(14)  # an evaluation in between
    scalars.push(15, {})
    scalars.flush()  # 1 step in 4 seconds
    speeds = [record["perf/steps_per_second"] for _, record in recorder.calls]
    assert speeds == [2.0, 0.25]


def test_a_step_that_was_not_measured_has_no_speed():
    recorder = Recorder()
    scalars = DeferredScalars(recorder, start=0, look=_ignore)
    scalars.push(1, {"loss/generator": jnp.float32(0.5)})
    scalars.restart_clock(1)  # it was compiled
    scalars.flush()
    assert recorder.calls == [(1, {"loss/generator": 0.5})]


def test_a_record_is_looked_at_once_it_is_written():
    recorder, seen = Recorder(), []

    def look(step, record):
        seen.append((step, record["loss/pixel"], len(recorder.calls)))
        raise FloatingPointError("stop")

    scalars = DeferredScalars(recorder, start=0, look=look)
    scalars.push(7, {"loss/pixel": jnp.float32(np.inf)})
    with pytest.raises(FloatingPointError, match="stop"):
        scalars.push(8, {"loss/pixel": jnp.float32(0.0)})
    assert seen == [(7, np.inf, 1)]
