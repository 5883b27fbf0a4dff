"""Steps that would poison a run move nothing; too many of them end it."""

import dataclasses
import itertools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from states import counts, learned
from trees import same

from sisr_jax.train.safety import Watch, is_saturated, skip_unless_finite
from sisr_jax.train.state import NetworkState, TrainState
from sisr_jax.train.steps import STEPS
from sisr_jax.types import Batch

# The configuration whose steps `test_steps` compiles, too.
NAME = "ct_srgan"
BATCH_NORM = (("generator__norm", "batch"), ("discriminator__norm", "batch"))
LIMIT = 3


@pytest.fixture(scope="module")
def start(steps):
    return steps.state(NAME, BATCH_NORM)


@pytest.fixture(scope="module")
def step_of(steps):
    return lambda phase: steps.step(NAME, phase, BATCH_NORM)


def _batch(value=None):
    """Four images; every eighth pixel of one may be poisoned."""
    hr = np.random.default_rng(0).uniform(0.2, 0.8, (4, 32, 32, 1)).astype(np.float32)
    if value is not None:
        hr[1, ::8, ::8] = value  # so that every crop has some
    return Batch(hr, np.ones(4, bool), np.arange(4, dtype=np.int32))


@pytest.mark.parametrize("phase", STEPS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_poisoned_pixel_moves_nothing_but_the_step(step_of, start, phase, value):
    step = step_of(phase)
    before, _ = step(start, _batch())  # optimisers and statistics are not fresh
    assert not same(learned(before), learned(start))
    after, metrics = step(before, _batch(value))
    assert same(learned(after), learned(before))
    assert counts(after) == (2, 1, 1)
    assert (int(metrics["skipped/total"]), int(metrics["skipped/in_a_row"])) == (1, 1)
    assert not all(
        np.isfinite(v) for k, v in metrics.items() if k.startswith("loss/")
    ), "the numbers say what was wrong"


@pytest.mark.parametrize("phase", STEPS)
def test_training_goes_on_as_if_a_skipped_step_had_only_cost_its_number(
    step_of, start, phase
):
    step, state = step_of(phase), start
    history = []
    for value in (None, np.nan, np.inf, None):
        state, _ = step(state, _batch(value))
        history.append(counts(state))
    assert history == [(1, 0, 0), (2, 1, 1), (3, 2, 2), (4, 2, 0)]
    first, _ = step(start, _batch())
    undisturbed, _ = step(first.replace(step=first.step + 2), _batch())
    assert same(learned(state), learned(undisturbed))


def test_nothing_moves_once_the_limit_is_reached(steps, step_of, start):
    task = steps.task(NAME, BATCH_NORM)
    limit = jnp.int32(task.config.safety.max_skipped_in_a_row)
    for before, moves in ((limit - 1, True), (limit, False)):
        state = start.replace(skipped_in_a_row=before)
        after, metrics = step_of("generator")(state, _batch())
        assert np.isfinite(metrics["loss/generator"])
        assert same(learned(after), learned(start)) != moves
        assert int(after.skipped_in_a_row) == (0 if moves else limit + 1)


@pytest.mark.slow
def test_an_adversarial_step_moves_both_networks_or_neither(steps, start):
    """Only the generator's loss overflows; the discriminator is well."""
    task = steps.task(NAME, BATCH_NORM)
    # No configuration says this: it stands for whatever makes that loss overflow.
    loss = dataclasses.replace(task.config.loss, adversarial_weight=float("inf"))
    task = dataclasses.replace(task, config=dataclasses.replace(task.config, loss=loss))
    after, metrics = jax.jit(STEPS["adversarial"])(task, start, _batch())
    assert np.isfinite(metrics["loss/discriminator"])
    assert np.isfinite(metrics["grad_norm/discriminator"])
    assert not np.isfinite(metrics["loss/generator"])
    assert same(learned(after), learned(start))


def _small_state(value=0.0, statistic=0.0):
    network = NetworkState(
        params={"w": jnp.full(2, value)},
        batch_stats={"var": jnp.full(2, statistic)},
        opt_state={"mu": jnp.full(2, value), "count": jnp.int32(1)},
    )
    zero = jnp.zeros((), jnp.int32)
    ema = {"w": jnp.full(2, value)}
    return TrainState(zero, jax.random.key(0), network, network, ema, zero, zero)


@pytest.mark.parametrize(
    ("metrics", "statistic", "moves"),
    [
        ({"loss/pixel": 1.0, "train/psnr": np.inf}, 1.0, True),
        ({"loss/pixel": np.nan}, 1.0, False),
        ({"loss/pixel": 1.0, "grad_norm/generator": np.inf}, 1.0, False),
        ({"loss/pixel": 1.0}, np.inf, False),
    ],
)
def test_what_must_be_finite(metrics, statistic, moves):
    def step(task, state, batch):
        return _small_state(1.0, statistic).replace(step=state.step + 1), {
            name: jnp.float32(value) for name, value in metrics.items()
        }

    limits = types.SimpleNamespace(max_skipped_in_a_row=1)
    task = types.SimpleNamespace(config=types.SimpleNamespace(safety=limits))
    after, _ = skip_unless_finite(step)(task, _small_state(), None)
    expected = _small_state(1.0, statistic) if moves else _small_state()
    assert same(learned(after), learned(expected))
    assert int(after.step) == 1


@pytest.fixture(scope="module")
def limits(load_config):
    return load_config(
        NAME, safety__max_skipped_in_a_row=LIMIT, safety__saturated_records=2
    ).safety


@pytest.mark.parametrize(
    ("real", "generated", "expected"),
    [
        (0.996, 0.004, 1.0),
        (0.994, 0.004, 0.0),
        (0.996, 0.006, 0.0),
        (np.nan, 0.0, 0.0),
        # Beyond the limits, not at them.
        (0.995, 0.004, 0.0),
        (0.996, 0.005, 0.0),
    ],
)
def test_saturated_means_sure_of_both(limits, real, generated, expected):
    found = is_saturated(limits, jnp.float32(real), jnp.float32(generated))
    assert float(found) == expected


def _record(total=0, in_a_row=0, **numbers):
    named = {name.replace("__", "/"): value for name, value in numbers.items()}
    return {"skipped/total": float(total), "skipped/in_a_row": float(in_a_row)} | named


def test_skipped_steps_are_told_with_what_was_wrong(limits, caplog):
    watch = Watch(limits, skipped=4)
    watch.look(10, _record(4, 0, loss__pixel=0.5))
    assert caplog.messages == []
    watch.look(20, _record(6, 1, loss__pixel=np.nan, train__psnr=np.nan))
    watch.look(30, _record(6, 0, loss__pixel=0.5))
    assert caplog.messages == [
        "step 20: 2 more skipped for numbers that are not finite, 6 in all: "
        "loss/pixel = nan"
    ]


def test_too_many_in_a_row_are_one_line(limits):
    watch = Watch(limits, skipped=0)
    watch.look(10, _record(LIMIT - 1, LIMIT - 1))
    with pytest.raises(FloatingPointError, match=r"^step 11: .*loss/pixel = inf") as e:
        watch.look(11, _record(LIMIT, LIMIT, loss__pixel=np.inf))
    assert f"config.safety.max_skipped_in_a_row = {LIMIT}" in str(e.value)
    assert "\n" not in str(e.value)


def test_a_saturated_discriminator_is_told_once_each_time(limits, caplog):
    watch = Watch(limits, skipped=0)
    # Two records in a row make an episode; a skipped step (None) decides nothing.
    flags = [0, 1, 0, 1, None, 1, 1, 1, None, 1, 0, 1, 1, 1]
    for step, flag in enumerate(flags):
        real = np.nan if flag is None else 0.9987
        numbers = {"discriminator/real": real, "discriminator/generated": 0.0004}
        saturated = {"discriminator/saturated": float(flag or 0)}
        watch.look(step, _record() | numbers | saturated)
    told = [message for message in caplog.messages if "saturated" in message]
    assert [message.split(":")[0] for message in told] == ["step 5", "step 12"]
    assert "0.99870 for real and 0.00040 for generated" in told[0]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("network", "part"),
    [
        *itertools.product(
            ("generator", "discriminator"), ("params", "batch_stats", "opt_state")
        ),
        ("generator_ema", None),
    ],
)
def test_a_state_with_one_bad_number_is_not_saved(limits, network, part, value):
    watch, state = Watch(limits, skipped=0), _small_state(1.0, 1.0)
    watch.check_before_save(state)
    arrays = getattr(state, network)
    if part:
        name, *_ = getattr(arrays, part)
        bad = arrays.replace(
            **{part: getattr(arrays, part) | {name: jnp.array([1.0, value])}}
        )
    else:
        bad = {"w": jnp.array([1.0, value])}
    with pytest.raises(FloatingPointError, match=f"^step 0: {network} holds numbers"):
        watch.check_before_save(state.replace(**{network: bad}))
