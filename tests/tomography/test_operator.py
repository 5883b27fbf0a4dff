import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.operators import check_adjoint
from sisr_jax.tomography import (
    ParallelBeam,
    ParallelBeamCT,
    angular_weights,
    back_project,
    fbp,
    plan,
    radon,
)

FULL = ParallelBeam(10, 16)
BEAMS = {
    "odd": ParallelBeam(11, 7),
    "shared slopes": FULL,
    "limited arc": ParallelBeam(11, 40).within(0.3, 1.2),
    "any angles": ParallelBeam(12, angles=[-4.0, 0.3, 0.3, 0.0, 7.0]),
    "one pixel": ParallelBeam(1, 3),
}
beams = pytest.mark.parametrize("beam", BEAMS.values(), ids=BEAMS)
methods = pytest.mark.parametrize("method", ["matmul", "reference"])


def sampled(beam, *batch):
    """Every image keeps other views."""
    keep = np.random.default_rng(0).random((*batch, beam.num_angles)) < 0.5
    keep[..., 0] = True
    return jnp.asarray(keep * 0.3, jnp.float32)


def image_of(beam, *batch):
    return jax.random.normal(jax.random.key(0), (*batch, beam.size, beam.size))


@beams
@methods
@pytest.mark.parametrize("batch", [None, (), (3,)])
def test_the_transpose_is_adjoint(beam, method, batch, key):
    views = None if batch is None else sampled(beam, *batch)
    operator = ParallelBeamCT(beam, method=method, sampled=views)
    assert check_adjoint(operator, key) <= 1e-6
    assert check_adjoint(operator.T, key) <= 1e-6


@methods
def test_is_radon_back_project_and_fbp(method):
    operator = ParallelBeamCT(FULL, method=method)
    x = image_of(FULL, 2)
    y = operator(x)
    np.testing.assert_array_equal(y, radon(x, FULL, method=method))
    np.testing.assert_array_equal(operator.T(y), back_project(y, FULL, method=method))
    for options in ({}, {"filter_name": "hann"}, {"weights": "uniform"}):
        np.testing.assert_array_equal(
            operator.fbp(y, **options), fbp(y, FULL, method=method, **options)
        )
    assert operator.domain_shape == (10, 10)
    assert operator.range_shape == (16, FULL.num_detectors)


def test_beams_with_and_without_a_plan():
    planned = plan(FULL)
    assert ParallelBeamCT(FULL).beam is planned
    assert ParallelBeamCT(planned).beam is planned
    assert ParallelBeamCT(planned, method="reference").beam == FULL
    assert not jax.tree.leaves(ParallelBeamCT(FULL, method="reference"))


@methods
def test_views_that_are_not_sampled_do_not_count(method):
    views = np.zeros((2, 16))
    views[0, ::2], views[1, 1::4] = np.pi / 8, np.pi / 4
    operator = ParallelBeamCT(FULL, method=method, sampled=jnp.float32(views))
    x = image_of(FULL, 2)
    y, whole = operator(x), radon(x, FULL, method=method)
    spoilt = np.where(views[..., None] > 0, whole, np.nan)
    np.testing.assert_array_equal(y, np.nan_to_num(spoilt))
    apart = FULL.every(2), ParallelBeam(10, angles=FULL.angles[1::4])
    for i, (kept, beam) in enumerate(zip(views > 0, apart, strict=True)):
        alone = back_project(spoilt[i][kept], beam, method=method)
        np.testing.assert_allclose(operator.T(spoilt)[i], alone, atol=1e-5)
        alone = fbp(spoilt[i][kept], beam, method=method)
        np.testing.assert_allclose(operator.fbp(spoilt)[i], alone, atol=1e-5)


def test_weights_of_sampled_views_may_be_given():
    operator = ParallelBeamCT(FULL, sampled=sampled(FULL, 2))
    y = operator(image_of(FULL, 2))
    for weights in ("uniform", angular_weights(FULL) / 2):
        np.testing.assert_array_equal(
            operator.fbp(y, weights=weights), fbp(y, FULL, weights=weights)
        )


def test_a_filter_is_no_constant_of_the_program():
    operator = ParallelBeamCT(ParallelBeam(32, 4))
    views = jnp.zeros(operator.range_shape)
    text = jax.jit(lambda a, y: a.fbp(y)).lower(operator, views).as_text()
    constants = re.findall(r"dense<([^>]*)>", text)
    assert 0 < max(map(len, constants)) < 20 * operator.range_shape[1]


def test_the_former_name_of_the_reference_method():
    with pytest.warns(DeprecationWarning, match="'exact' is now called 'reference'"):
        operator = ParallelBeamCT(FULL, method="exact")
    assert operator.method == "reference"
    x = image_of(FULL)
    expected = radon(x, FULL, method="reference")
    np.testing.assert_array_equal(operator(x), expected)
    with pytest.warns(DeprecationWarning, match="'exact' is now called 'reference'"):
        np.testing.assert_array_equal(radon(x, FULL, method="exact"), expected)
