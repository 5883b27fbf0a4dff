import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.resize import aligned_columns
from sisr_jax.models import LateralUNet, lateral
from sisr_jax.ultrasound import KeptLines, LateralDecimation

NETWORK = LateralUNet((4, 8), 1, (-0.5, 2.0))


@pytest.fixture(scope="module")
def images():
    return jnp.asarray(np.random.default_rng(0).random((2, 13, 30), np.float32))


def variables(*, learned):
    operator = LateralDecimation(2)
    lines = operator(jnp.ones((1, 8, 8)))
    drawn = NETWORK.init(jax.random.key(0), lines, lines, operator, train=False)
    if learned:
        drawn["params"]["output"]["kernel"] += 0.3
        drawn["params"]["output"]["bias"] += 0.2
    return drawn


def restore(images, operator, *, learned=True):
    lines = operator(images)
    return NETWORK.apply(
        variables(learned=learned), None, lines, operator, train=False
    )[..., 0]


@pytest.mark.parametrize(("factor", "offset"), [(2, 0), (3, 2), (6, 1), (15, 14)])
def test_kept_lines_stay_as_they_were_measured(images, factor, offset):
    operator = LateralDecimation(factor, offset)
    found = restore(images, operator)
    assert found.shape == images.shape
    np.testing.assert_array_equal(operator(found), operator(images))
    others = np.arange(30) % factor != offset
    assert np.all(np.abs(found - images)[..., others] > 0)


def test_untrained_it_interpolates(images):
    operator = LateralDecimation(5, 2)
    found = restore(images, operator, learned=False)
    expected = aligned_columns(
        operator(images)[..., None], factor=5, offset=2, interpolation="cubic"
    )
    np.testing.assert_allclose(found, expected[..., 0], atol=5e-7)


def test_each_image_may_have_its_own_lines(images):
    line = np.arange(30)
    kept = jnp.float32(np.stack([line % 3 == 1, line % 5 == 0]))
    together = restore(images, KeptLines(kept))
    alone = [
        restore(images[:1], LateralDecimation(3, 1))[0],
        restore(images[1:], LateralDecimation(5))[0],
    ]
    np.testing.assert_allclose(together, jnp.stack(alone), atol=1e-5)


def test_a_slope_is_followed():
    """Of a tilted wave, the interpolation along it is the wave itself."""
    rows, columns = np.mgrid[:40, :33]
    wave = jnp.float32(np.sin((rows - columns) / 3))[None]
    kept = jnp.asarray(np.arange(33) % 8 == 0)[None]
    first, seen = lateral._seen(jnp.where(kept, wave, 0), kept, (1.0, -1.0))
    inside = np.s_[:, 8:-8]

    def error(image):
        return float(jnp.abs(image - wave)[inside].mean())

    along, mismatch, against = (seen[..., i] / 10 for i in (5, 6, 7))
    assert error(first + along) < 1e-5
    assert min(error(first), error(first + against)) > 0.1
    assert float(jnp.abs(mismatch)[inside].max()) < 1e-5


def test_what_was_not_kept_is_not_looked_at(images):
    operator = LateralDecimation(3, 1)
    others = np.arange(30) % 3 != 1
    spoilt = images.at[..., others].set(0.77)
    np.testing.assert_array_equal(restore(images, operator), restore(spoilt, operator))


def test_it_asks_for_the_measurement(images):
    with pytest.raises(ValueError, match="no measurement"):
        NETWORK.apply(variables(learned=True), images[..., None], train=False)
