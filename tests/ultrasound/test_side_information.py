import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.resize import aligned_columns
from sisr_jax.ultrasound import KeptLines, LateralDecimation
from sisr_jax.ultrasound.side_information import of_frames, of_samples
from sisr_jax.ultrasound.speckle import displayed

WINDOW = (-60.0, 0.0)


@pytest.fixture(scope="module")
def samples():
    real, imaginary = np.random.default_rng(0).normal(0, 0.1, (2, 2, 6, 24))
    return jnp.asarray(real + 1j * imaginary, jnp.complex64)


def of(samples, operator):
    return of_samples(samples, operator, window=WINDOW, levels=256)


def level(samples):
    return displayed(samples, reference_db=0, dynamic_range_db=60, levels=256)


@pytest.mark.parametrize(("factor", "offset"), [(2, 1), (3, 0), (4, 2)])
def test_levels_are_of_interpolated_samples(samples, factor, offset):
    kept = samples[..., offset::factor]
    found = of(kept, LateralDecimation(factor, offset))
    for number, way in enumerate(("linear", "cubic")):
        parts = jnp.stack([kept.real, kept.imag], -1)
        wide = aligned_columns(parts, factor=factor, offset=offset, interpolation=way)
        expected = level(wide[..., 0] + 1j * wide[..., 1])
        # A rounding to another grey level is one of 255.
        np.testing.assert_allclose(found.levels[..., number], expected, atol=1.1 / 255)
        assert np.mean(found.levels[..., number] == expected) > 0.98


def test_marks_are_how_the_phase_turns_between_kept_lines(samples):
    kept = samples[..., 1::4]
    found = of(kept, LateralDecimation(4, 1))
    turn = np.angle(kept[..., :-1] / kept[..., 1:])
    for column in (2, 3, 4):
        between = found.marks[:, :, column : column + 20 : 4]
        np.testing.assert_allclose(between[..., 0], np.cos(turn), atol=1e-4)
        np.testing.assert_allclose(between[..., 1], np.sin(turn), atol=1e-4)
    for column in (0, 1, 22, 23):
        np.testing.assert_allclose(found.marks[:, :, column, 0], 1, atol=1e-5)


def test_the_phase_of_the_carrier_does_not_matter(samples):
    kept = samples[..., ::3]
    one = of(kept, LateralDecimation(3))
    other = of(kept * jnp.exp(1.3j).astype(jnp.complex64), LateralDecimation(3))
    np.testing.assert_allclose(one.levels, other.levels, atol=1.1 / 255)
    np.testing.assert_allclose(one.marks, other.marks, atol=1e-4)


def test_each_image_may_have_its_own_lines(samples):
    line = np.arange(24)
    kept = jnp.float32(np.stack([line % 3 == 1, line % 4 == 0]))
    together = of(samples * kept[:, None], KeptLines(kept))
    one = of(samples[:1, :, 1::3], LateralDecimation(3, 1))
    other = of(samples[1:, :, ::4], LateralDecimation(4))
    for name in ("levels", "marks"):
        alone = jnp.concatenate([getattr(one, name), getattr(other, name)])
        np.testing.assert_allclose(getattr(together, name), alone, atol=1.1 / 255)


def test_nothing_has_no_phase():
    found = of(jnp.zeros((1, 2, 3), jnp.complex64), LateralDecimation(2))
    assert not np.any(found.levels)
    assert not np.any(found.marks)


def test_of_frames_each_is_interpolated_between_lines_of_its_own():
    images = np.random.default_rng(1).random((2, 5, 24), np.float32)
    operators = [LateralDecimation(4, 3), LateralDecimation(3)]
    pairs = zip(operators, images, strict=True)
    lines = [operator(image[None]) for operator, image in pairs]
    found = of_frames(lines, operators)
    assert found.levels.shape == found.marks.shape == (1, 5, 24, 2)
    for number, operator in enumerate(operators):
        factor, offset = operator.factor, operator.offset
        place = {"factor": factor, "offset": offset}
        wide = aligned_columns(lines[number][..., None], **place, interpolation="cubic")
        np.testing.assert_allclose(found.levels[..., number], wide[..., 0], atol=1e-6)
        measured = np.flatnonzero(np.arange(24) % factor == offset)
        away = np.abs(np.arange(24)[:, None] - measured).min(1)
        np.testing.assert_allclose(16 * found.marks[0, 2, :, number], away)
