"""`P` makes `A^T P A` nearly the identity where the views tell, and never more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.tomography import ParallelBeam, ParallelBeamCT

SIZE = 24


def eigenvalues(operator):
    """Of `A^T P A`, ascending, from the matrix itself."""

    def multiply(x, operator):
        return operator.T(operator.precondition(operator(x)))

    size = operator.domain_shape[0]
    images = jnp.eye(size**2).reshape(-1, size, size)
    matrix = np.asarray(jax.jit(multiply)(images, operator), np.float64)
    matrix = matrix.reshape(size**2, size**2)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    return np.linalg.eigvalsh(matrix)


def drawn(num_angles, kept):
    """The angle that each kept view stands for, 0 for the others."""
    passed = np.floor(np.arange(num_angles + 1) * kept / num_angles)
    (index,) = np.nonzero(np.diff(passed))
    gaps = np.diff(index, append=index[0] + num_angles) * np.pi / num_angles
    weights = np.zeros(num_angles)
    weights[index] = (gaps + np.roll(gaps, 1)) / 2
    return jnp.asarray(weights, jnp.float32)


RANDOM = np.random.default_rng(0).uniform(0, np.pi, 30)
PAIRS = np.concatenate([np.arange(10) * np.pi / 10, np.arange(10) * np.pi / 10 + 0.002])
BEAMS = {
    "6 views": ParallelBeam(SIZE, 6),
    "20 views": ParallelBeam(SIZE, 20),
    "200 views": ParallelBeam(SIZE, 200),
    "every 16th": ParallelBeam(SIZE, 1000).every(16),
    "odd size": ParallelBeam(SIZE - 1, 12),
    "arc": ParallelBeam(SIZE, 90).within(0.3, 1.5),
    "random": ParallelBeam(SIZE, angles=RANDOM),
    "pairs": ParallelBeam(SIZE, angles=PAIRS),
}


@pytest.mark.parametrize("name", BEAMS)
def test_norm(name):
    values = eigenvalues(ParallelBeamCT(BEAMS[name]))
    assert values[0] > -1e-5
    assert 0.7 < values[-1] <= 1.0


def test_norm_with_the_reference_numerics():
    values = eigenvalues(ParallelBeamCT(ParallelBeam(SIZE, 12), method="reference"))
    assert 0.8 < values[-1] <= 1.0


@pytest.mark.parametrize("kept", [12, 17, 60])
def test_norm_with_views_that_are_left_out(kept):
    beam = ParallelBeam(SIZE, 60)
    values = eigenvalues(ParallelBeamCT(beam, sampled=drawn(60, kept)))
    assert 0.8 < values[-1] <= 1.0


def test_norm_of_a_larger_image():
    """As many views a pixel as 63 of 512; the power iteration comes from below."""
    operator = ParallelBeamCT(ParallelBeam(128, 16))

    def multiply(x, operator):
        x = operator.T(operator.precondition(operator(x)))
        return x / jnp.linalg.norm(x), jnp.linalg.norm(x)

    start = jax.random.normal(jax.random.key(0), operator.domain_shape)

    @jax.jit
    def norm(start, operator):
        steps = jax.lax.scan(lambda x, _: multiply(x, operator), start, None, length=40)
        return steps[1][-1]

    assert 0.9 < norm(start, operator) <= 1.0


def test_many_views_are_inverted():
    """What a ramp undoes: nearly all of a smooth image after a single step."""
    operator = ParallelBeamCT(ParallelBeam(SIZE, 60))
    row, column = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    image = jnp.asarray(np.exp(-(row**2 + (column - 3) ** 2) / 30), jnp.float32)
    found = operator.T(operator.precondition(operator(image)))
    assert jnp.linalg.norm(found - image) < 0.1 * jnp.linalg.norm(image)


def test_each_example_has_its_views():
    beam = ParallelBeam(12, 20)
    sampled = jnp.stack([drawn(20, 5), drawn(20, 10)])
    views = jax.random.normal(jax.random.key(0), (2, 20, 17))
    both = ParallelBeamCT(beam, sampled=sampled).precondition(views)
    for example in range(2):
        operator = ParallelBeamCT(beam, sampled=sampled[example])
        one = operator.precondition(views[example])
        np.testing.assert_allclose(both[example], one, atol=1e-6)
        np.testing.assert_array_equal(one[sampled[example] == 0], 0)
        rows = np.asarray(sampled[example] > 0)
        kept = ParallelBeamCT(ParallelBeam(12, angles=beam.angles[rows]))
        np.testing.assert_allclose(
            one[rows], kept.precondition(views[example][rows]), atol=1e-6
        )
