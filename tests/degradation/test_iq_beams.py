"""IQ of kept lines: beside the same frames, for a network that leaves them as shown."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.config import ConfigError, parse, upgraded
from sisr_jax.config.files import load
from sisr_jax.degradation import iq_decimation
from sisr_jax.degradation.beams import shown
from sisr_jax.errors import InputError
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.inference import Restorer
from sisr_jax.inference.trained_for import check_columns
from sisr_jax.inference.variables import received, variable_shapes
from sisr_jax.models import build_generator
from sisr_jax.train.task import build_task
from sisr_jax.types import Batch
from sisr_jax.ultrasound import KeptLines, LateralDecimation
from sisr_jax.ultrasound.arrays import ARRAYS

LEVELS = jnp.full((3, 32, 32, 1), 0.7).at[:, 10:20, 8:24].set(0.0)
BATCH = Batch(LEVELS, jnp.ones(3, bool), jnp.arange(3))


def config_of(**changes):
    config = load("us_beams:quicktest")
    config.degradation.signal = "iq"
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        config[section][key] = value
    return parse(config.to_dict())


@pytest.fixture(scope="module")
def example():
    make = jax.jit(lambda task, key: task.evaluation_example(key, BATCH))
    return make(build_task(config_of()), jax.random.key(0))


@pytest.fixture(scope="module")
def samples():
    degradation = iq_decimation(factor=4, probes=(ARRAYS["curved"],))
    channels = jax.jit(type(degradation).truth)(degradation, jax.random.key(0), LEVELS)
    assert channels.shape == (3, 32, 32, 2)
    return jnp.asarray(channels[..., 0] + 1j * channels[..., 1])


@pytest.fixture(scope="module")
def restorer():
    config = config_of()
    random = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(0, 0.1, leaf.shape), jnp.float32),
        variable_shapes(config),
    )
    return Restorer(
        build_generator(config), variables, config=config, received=received(config)
    )


def test_frames_and_lines_are_those_without_iq(example):
    plain = config_of(degradation__signal="level")
    make = jax.jit(lambda task, key: task.evaluation_example(key, BATCH))
    expected = make(build_task(plain), jax.random.key(0))
    assert expected.side is None
    assert len(expected.inputs) == 3
    np.testing.assert_array_equal(example.hr, expected.hr)
    np.testing.assert_array_equal(example.estimate, expected.estimate)
    np.testing.assert_array_equal(example.measurement.values, expected.hr[:, :, ::4, 0])
    # As kept lines are shown, so is what the IQ says of them.
    np.testing.assert_array_equal(
        example.side.levels[:, :, ::4], jnp.repeat(expected.hr[:, :, ::4], 2, -1)
    )


def test_of_missing_lines_the_iq_says_more_than_interpolated_levels(example):
    """Every other line of a wide beam: interpolation before detection is right."""
    config = config_of(degradation__factor=2)
    make = jax.jit(lambda task, key: task.evaluation_example(key, BATCH))
    seen = make(build_task(config), jax.random.key(0))
    tissue = np.s_[:, 21:, 1:-1:2]
    truth = np.asarray(seen.hr)[tissue][..., 0]
    cubic = np.asarray(seen.side.levels)[tissue][..., 1]
    levels = (seen.estimate[:, 21:, :-1, 0] + seen.estimate[:, 21:, 1:, 0]) / 2
    error, other = (np.mean(np.square(each - truth)) for each in (cubic, levels))
    assert error < 0.6 * other


def test_a_network_sees_it_and_leaves_kept_lines_as_shown(example, restorer):
    apply = jax.jit(lambda inputs: restorer.network.apply(*inputs, train=False))
    found = apply((restorer.variables, *example.inputs))
    np.testing.assert_array_equal(found[:, :, ::4], example.hr[:, :, ::4])
    other = example.side._replace(marks=-example.side.marks)
    blind = dataclasses.replace(restorer.network)
    changed = jax.jit(lambda inputs: blind.apply(*inputs, train=False))(
        (restorer.variables, *example._replace(side=other).inputs)
    )
    missing = np.arange(32) % 4 > 0
    assert np.mean(np.abs(found - changed)[:, :, missing] > 0) > 0.9


def test_without_it_a_network_has_the_weights_that_it_had(example, restorer):
    estimate, values, operator, side = example.inputs
    network = restorer.network

    def kernels(*inputs):
        shapes = jax.eval_shape(
            lambda: network.init(jax.random.key(0), *inputs, train=False)
        )
        return jax.tree.map(jnp.shape, shapes["params"])

    plain, more = kernels(estimate, values, operator), kernels(*example.inputs)
    # Five channels of each of 2 x 4 pixels; two levels and two marks are four more.
    assert plain["Conv_0"]["kernel"][2] == 8 * 5
    assert more["Conv_0"]["kernel"][2] == 8 * 9
    del plain["Conv_0"], more["Conv_0"]
    assert plain == more
    assert side is not None


def test_a_record_is_complex_or_two_channels(restorer, samples):
    operator = LateralDecimation(4)
    lines = samples[..., ::4]
    found = restorer(measurement=lines, operator=operator)
    assert found.image.shape == (3, 32, 32)
    np.testing.assert_array_equal(found.measurement, shown(lines, (-60.0, 0.0)))
    np.testing.assert_array_equal(found.image[..., ::4], found.measurement)
    np.testing.assert_array_equal(found.residual, 0)
    assert not np.any(found.unexplained)
    channels = np.stack([lines.real, lines.imag], -1)
    again = restorer(measurement=channels, operator=operator)
    np.testing.assert_array_equal(again.image, found.image)
    one = restorer(measurement=lines[1], operator=operator)
    np.testing.assert_allclose(one.image, found.image[1], atol=1e-5)
    kept = KeptLines(jnp.float32(np.arange(32) % 4 == 0))
    placed = restorer(measurement=samples * kept.kept, operator=kept)
    np.testing.assert_allclose(placed.image, found.image, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((3, 32, 8), "float32"),
        ((3, 32, 8, 3), "float32"),
        ((8,), "complex64"),
        ((3, 32, 8, 2), "int16"),
    ],
)
def test_what_is_no_iq_is_refused(restorer, shape, dtype):
    with pytest.raises(
        ValueError, match=r"^measurement of shape .*: expected IQ, comp"
    ):
        restorer(measurement=np.ones(shape, dtype), operator=LateralDecimation(4))


def test_iq_is_refused_by_a_network_for_levels(restorer, samples):
    plain = dataclasses.replace(restorer, received=None)
    with pytest.raises(
        ValueError, match=r"^measurement of type complex64: expected fl"
    ):
        plain(measurement=samples[..., ::4], operator=LateralDecimation(4))


def test_frames_are_refused_in_one_line(restorer):
    with pytest.raises(InputError, match=r"as they are shown, .* ask for IQ beside"):
        check_columns(restorer, 4)


def test_frames_that_were_recorded_have_no_iq():
    recorded = {
        "data__source": "folder",
        "data__path": "somewhere",
        "degradation__arrays": (),
        "degradation__pixel_mm": 0.0,
        "degradation__picture_weight": 0.0,
    }
    with pytest.raises(ConfigError, match=r"signal = 'iq': expected 'level', as reco"):
        config_of(**recorded)
    with pytest.raises(ConfigError, match=r"signal = 'rf': expected one of 'level'"):
        config_of(degradation__signal="rf")


def test_a_network_that_does_not_see_it_is_refused():
    values = load("us_beams:quicktest").to_dict()
    values["degradation"]["signal"] = "iq"
    values["generator"] = load("us_srresnet:quicktest").to_dict()["generator"]
    with pytest.raises(
        ConfigError, match=r"'srresnet': expected a network that sees t"
    ):
        parse(values)


def test_its_numbers_have_a_protocol_of_their_own():
    iq, plain = config_of(), config_of(degradation__signal="level")
    assert protocol_of(iq).id != protocol_of(plain).id
    assert "every 4th line with its IQ of simulated" in protocol_of(iq).describe()
    assert "IQ" not in protocol_of(plain).describe()


def test_a_folder_from_before_there_was_iq_is_of_levels():
    values = load("us_beams:quicktest").to_dict()
    del values["degradation"]["signal"]
    assert parse(upgraded(values)).degradation.signal == "level"


def test_there_is_no_iq_of_frames():
    with pytest.raises(ValueError, match="no probes: expected some"):
        iq_decimation(factor=4, probes=())
