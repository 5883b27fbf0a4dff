"""Frames before and after: of the same tissue, of which the middle is restored."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.config import ConfigError, parse, upgraded
from sisr_jax.config.files import load
from sisr_jax.degradation import cine_decimation
from sisr_jax.degradation.beams import simulated_samples
from sisr_jax.degradation.cine_beams import simulated_cine
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.inference import Restorer
from sisr_jax.inference.variables import received, variable_shapes
from sisr_jax.models import build_generator
from sisr_jax.train.task import build_task
from sisr_jax.types import Batch
from sisr_jax.ultrasound import KeptLines, LateralDecimation
from sisr_jax.ultrasound.arrays import ARRAYS

SHAPE = (64, 48)
TISSUE = jnp.full(SHAPE, 0.8)
LEVELS = jnp.full((3, 32, 32, 1), 0.7).at[:, 10:20, 8:24].set(0.0)
BATCH = Batch(LEVELS, jnp.ones(3, bool), jnp.arange(3))
SEEN = {"probes": (ARRAYS["linear"],), "window": (-60.0, 0.0)}


def config_of(frames=3, **changes):
    config = load("us_beams:quicktest")
    if frames > 1:
        config.degradation.cine = {"frames": frames, "interleave": 1, "motion_mm": 0.1}
    config.degradation.update(changes)
    return parse(config.to_dict())


def example_of(config):
    make = jax.jit(lambda task, key: task.evaluation_example(key, BATCH))
    return make(build_task(config), jax.random.key(0))


@pytest.fixture(scope="module")
def example():
    return example_of(config_of())


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


@pytest.fixture(scope="module")
def cine():
    make = jax.jit(
        lambda key, motion: simulated_cine(
            key, TISSUE, frames=5, motion_mm=motion, **SEEN
        )
    )
    return lambda motion, seed=0: np.asarray(make(jax.random.key(seed), motion))


def correlation(one, other):
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return abs(np.vdot(one, other)) / size


def test_the_middle_frame_is_the_frame_that_the_key_draws(cine):
    alone = jax.jit(lambda key: simulated_samples(key, TISSUE, **SEEN))
    np.testing.assert_array_equal(cine(0.1)[2], alone(jax.random.key(0)))
    assert cine(0.1).shape == (5, *SHAPE)


def test_tissue_at_rest_is_seen_again_with_other_noise(cine):
    frames = cine(0.0)
    for other in (0, 1, 3, 4):
        assert 0.99 < correlation(frames[other], frames[2]) < 1
        assert np.any(frames[other] != frames[2])


def test_tissue_moves_on_from_frame_to_frame(cine):
    """As far from the first frame to the second as from the middle one to the next."""
    for seed in (0, 1, 2):
        frames = cine(0.05, seed)
        near = [correlation(frames[i], frames[i + 1]) for i in range(4)]
        far = correlation(frames[0], frames[4])
        assert max(near) - min(near) < 0.1
        assert far < min(near) - 0.05


def test_a_displacement_by_whole_samples_and_lines_is_a_shift():
    from sisr_jax.ultrasound.speckle import echoes

    probe = ARRAYS["linear"]._replace(transmit_f=9.0)  # the same beam at all depths
    flat = jnp.ones(SHAPE)
    see = jax.jit(
        lambda moved: echoes(
            jax.random.key(3),
            flat,
            0 * flat,
            probe=probe,
            scatterers_per_mm2=jnp.inf,
            displacement_mm=moved,
        )
    )
    still = see(jnp.zeros(2))
    moved = see(jnp.array([2 * probe.sample_mm, 3 * probe.line_mm]))
    # What was at sample 20 and line 10 is at sample 22 and line 13.
    assert correlation(moved[22:60, 13:40], still[20:58, 10:37]) > 0.98
    assert correlation(moved[20:58, 10:37], still[20:58, 10:37]) < 0.5


def test_frames_and_lines_of_the_middle_are_those_without_a_cine(example):
    expected = example_of(config_of(frames=1))
    assert expected.side is None
    assert len(expected.inputs) == 3
    np.testing.assert_array_equal(example.hr, expected.hr)
    np.testing.assert_array_equal(example.estimate, expected.estimate)
    np.testing.assert_array_equal(example.measurement.values, expected.hr[:, :, ::4, 0])
    assert example.side.levels.shape == (3, 32, 32, 2)


@pytest.mark.parametrize(("interleave", "before", "after"), [(0, 1, 1), (1, 0, 2)])
def test_other_frames_keep_lines_further_on(interleave, before, after):
    degradation = cine_decimation(
        factor=4,
        offset=1,
        frames=3,
        interleave=interleave,
        motion_mm=0.1,
        probes=(ARRAYS["linear"],),
    )
    truth = jax.jit(type(degradation).truth)(degradation, jax.random.key(0), LEVELS)
    side = degradation.side_information(truth)
    for number, (channel, first) in enumerate(((0, before), (2, after))):
        seen = side.levels[:, :, first::4, number]
        np.testing.assert_allclose(seen, truth[:, :, first::4, channel], atol=1e-6)
        np.testing.assert_array_equal(side.marks[:, :, first::4, number], 0)
        # Elsewhere it is how far away, of the 16 lines that are one.
        np.testing.assert_array_equal(
            side.marks[0, 0, first + 4 : first + 8, number], [0, 1 / 16, 2 / 16, 1 / 16]
        )


def test_a_network_sees_them_and_leaves_kept_lines(example, restorer):
    apply = jax.jit(lambda inputs: restorer.network.apply(*inputs, train=False))
    found = apply((restorer.variables, *example.inputs))
    np.testing.assert_array_equal(found[:, :, ::4], example.hr[:, :, ::4])
    brighter = example.side._replace(levels=example.side.levels + 0.1)
    changed = apply((restorer.variables, *example._replace(side=brighter).inputs))
    missing = np.arange(32) % 4 > 0
    assert np.mean(np.abs(found - changed)[:, :, missing] > 0) > 0.9


def test_a_record_is_the_kept_lines_of_all_frames(restorer):
    degradation = build_task(restorer.config).degradation
    truth = jax.jit(type(degradation).truth)(degradation, jax.random.key(0), LEVELS)
    lines = jnp.stack([truth[:, :, (i - 1) % 4 :: 4, i] for i in range(3)], 1)
    operator = LateralDecimation(4)
    found = restorer(measurement=lines, operator=operator)
    assert found.image.shape == (3, 32, 32)
    np.testing.assert_array_equal(found.image[..., ::4], lines[:, 1])
    np.testing.assert_array_equal(found.measurement, lines[:, 1])
    inputs = (
        *degradation.measure(jax.random.key(0), truth),
        degradation.side_information(truth),
    )
    expected = restorer.network.apply(restorer.variables, None, *inputs, train=False)[
        ..., 0
    ]
    np.testing.assert_allclose(found.image, expected.clip(0, 1), atol=1e-5)
    one = restorer(measurement=lines[1], operator=operator)
    np.testing.assert_allclose(one.image, found.image[1], atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((2, 32, 8), "float32"), ((32, 8), "float32"), ((3, 32, 8), "complex64")],
)
def test_what_is_no_cine_is_refused(restorer, shape, dtype):
    with pytest.raises(ValueError, match=r"^measurement of shape .* expected a cine, "):
        restorer(measurement=np.ones(shape, dtype), operator=LateralDecimation(4))


def test_of_a_cine_lines_are_kept_evenly(restorer):
    operator = KeptLines(jnp.float32(np.arange(32) % 4 == 0))
    with pytest.raises(ValueError, match=r"^KeptLines of a cine: expected LateralDec"):
        restorer(measurement=np.ones((3, 32, 32), np.float32), operator=operator)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": 4}, r"cine\.frames = 4: expected 1, or an odd number"),
        ({"signal": "iq"}, r"cine\.frames = 3: .*signal = 'level'"),
        ({"factor": 1}, r"interleave = 1: .* no multiple of degradation\.factor = 1:"),
        ({"radii_mm": (10.0, 50.0)}, r"radii_mm = \(10.0, 50.0\): expected \(0, 0\)"),
        ({"arrays": ()}, r"degradation\.arrays = \(\): expected some"),
    ],
)
def test_what_does_not_go_together(changes, message):
    with pytest.raises(ConfigError, match=message):
        config_of(**changes)


@pytest.mark.parametrize(
    ("cine", "message"),
    [
        ({"interleave": 1}, r"interleave = 1: expected 0, or of more than one of"),
        ({"motion_mm": 0.1}, r"motion_mm = 0\.1: expected 0, as there is one frame"),
        ({"frames": 3, "interleave": 8}, r"interleave = 8: .* all keep the same lines"),
    ],
)
def test_what_would_do_nothing_is_refused(cine, message):
    config = load("us_beams:quicktest")
    config.degradation.cine.update(cine)
    with pytest.raises(ConfigError, match=message):
        parse(config.to_dict())


def test_there_is_a_middle_frame_of_simulated_ones():
    with pytest.raises(ValueError, match=r"frames = 2: expected 3, 5, 7"):
        cine_decimation(factor=4, frames=2, probes=(ARRAYS["linear"],))
    with pytest.raises(ValueError, match="no probes: expected some"):
        cine_decimation(factor=4, frames=3, probes=())


@pytest.mark.parametrize(
    ("motion_mm", "said"), [(-0.1, r"-0\.1"), (float("nan"), "nan")]
)
def test_a_motion_that_is_none_is_refused(motion_mm, said):
    with pytest.raises(ValueError, match=rf"motion_mm = {said}: expected 0 or more"):
        cine_decimation(
            factor=4, frames=3, probes=(ARRAYS["linear"],), motion_mm=motion_mm
        )


def test_its_numbers_have_a_protocol_of_their_own():
    cine, plain = config_of(), config_of(frames=1)
    assert protocol_of(cine).id != protocol_of(plain).id
    assert "each of 3 simulated frames (curved), 1 on" in protocol_of(cine).describe()
    assert "each of" not in protocol_of(plain).describe()


def test_a_folder_from_before_there_were_cines_is_of_single_frames():
    values = load("us_beams:quicktest").to_dict()
    del values["degradation"]["cine"], values["degradation"]["signal"]
    assert parse(upgraded(values)).degradation.cine.frames == 1
