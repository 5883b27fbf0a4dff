"""One battery over all degradations: what any acquisition model must satisfy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.degradation import (
    LowDose,
    build,
    evaluation_pairs,
    lateral_decimation,
    random_view_ct,
    sparse_view_ct,
    training_pairs,
)
from sisr_jax.degradation.ct import draw_views
from sisr_jax.hosts.mesh import batch_sharding, make_mesh
from sisr_jax.tomography import ParallelBeam
from sisr_jax.types import Batch

SIZE = 24
BEAM = ParallelBeam(size=SIZE, num_angles=48)

DEGRADATIONS = {
    "sparse-view CT": sparse_view_ct(BEAM.every(4)),
    "sparse-view CT, Hann": sparse_view_ct(BEAM.every(4), filter_name="hann"),
    "sparse-view CT, exact": sparse_view_ct(BEAM.every(4), method="exact"),
    "sparse-view CT, uniform": sparse_view_ct(BEAM.every(5), weights="uniform"),
    "limited-angle CT": sparse_view_ct(BEAM.within(0.0, 2.0)),
    "random views": random_view_ct(BEAM, 4, 24),
    "lateral decimation": lateral_decimation(factor=4),
    "lateral decimation, offset": lateral_decimation(factor=8, offset=3),
}
battery = pytest.mark.parametrize("degrade", DEGRADATIONS.values(), ids=DEGRADATIONS)


@pytest.fixture
def hr(key):
    return jax.random.uniform(key, (4, SIZE, SIZE, 1))


@battery
def test_is_linear(degrade, key, hr):
    other = jnp.flip(hr, axis=0)
    np.testing.assert_allclose(
        degrade(key, 2 * hr - 3 * other),
        2 * degrade(key, hr) - 3 * degrade(key, other),
        atol=2e-5,
    )


@battery
def test_jit_eager_and_vmap_agree(degrade, key, hr):
    keys = jax.random.split(key, len(hr))
    eager = degrade(keys, hr)
    one_by_one = jax.vmap(lambda k, image: degrade(k[None], image[None])[0])(keys, hr)
    as_argument = jax.jit(lambda degrade, keys, hr: degrade(keys, hr))
    np.testing.assert_allclose(jax.jit(degrade)(keys, hr), eager, atol=2e-6)
    np.testing.assert_allclose(as_argument(degrade, keys, hr), eager, atol=2e-6)
    np.testing.assert_allclose(one_by_one, eager, atol=2e-6)
    np.testing.assert_allclose(degrade(key, hr), eager, atol=2e-6)


@battery
def test_adjoint_is_the_gradient(degrade, key, hr):
    degraded = degrade(key, hr)
    weights = jax.random.normal(key, degraded.shape)
    gradient = jax.grad(lambda x: jnp.vdot(weights, degrade(key, x)))(hr)
    np.testing.assert_allclose(
        jnp.vdot(gradient, hr), jnp.vdot(weights, degraded), rtol=1e-4
    )
    assert float(jnp.linalg.norm(gradient)) > 0


@battery
def test_devices_do_not_matter_and_need_not_talk(degrade, key, hr):
    mesh = make_mesh(4)
    sharded = jax.jit(degrade, in_shardings=(None, batch_sharding(mesh)))
    np.testing.assert_allclose(sharded(key, hr), degrade(key, hr), atol=2e-6)
    text = sharded.lower(key, hr).compile().as_text()
    for collective in ("all-gather", "all-reduce", "all-to-all", "collective-permute"):
        assert collective not in text


def test_all_columns_are_the_image(key, hr):
    assert jnp.array_equal(lateral_decimation(factor=1)(key, hr), hr)


def test_many_views_restore_a_smooth_image(key):
    rows, columns = np.mgrid[:SIZE, :SIZE] - SIZE // 2
    blob = jnp.exp(-jnp.asarray(rows**2 + columns**2, jnp.float32) / 20)
    hr = blob[None, ..., None]
    errors = [
        float(jnp.abs(sparse_view_ct(BEAM.every(k))(key, hr) - hr).max())
        for k in (1, 16)
    ]
    assert errors[0] < 0.04
    assert errors[1] > 2 * errors[0]


def test_random_views_are_spread_and_weighted(key):
    weights = jax.vmap(lambda k: draw_views(BEAM, 5, 12, k))(jax.random.split(key, 64))
    counts = np.asarray((weights > 0).sum(-1))
    assert counts.min() == 5
    assert counts.max() == 12
    # Every view stands for half of the gaps beside it; together for half a turn.
    np.testing.assert_allclose(weights.sum(-1), np.pi, rtol=1e-6)
    np.testing.assert_array_less(weights.max(-1), 1.5 * np.pi / counts)
    assert len(np.unique(np.argmax(weights > 0, axis=-1))) > 1


def test_all_views_drawn_are_the_whole_scan(key, hr):
    drawn = random_view_ct(BEAM, 48, 48)(key, hr)
    np.testing.assert_allclose(drawn, sparse_view_ct(BEAM)(key, hr), atol=2e-6)


@pytest.mark.parametrize(("fewest", "most"), [(0, 4), (5, 4), (4, 49)])
def test_impossible_numbers_of_views(fewest, most):
    with pytest.raises(ValueError, match=f"fewest = {fewest}, most = {most}: .* 48"):
        random_view_ct(BEAM, fewest, most)


def test_dose_adds_noise_around_the_noiseless_image(key, hr):
    clean = sparse_view_ct(BEAM)(key, hr)
    errors = {
        photons: float(
            jnp.std(sparse_view_ct(BEAM, dose=LowDose(photons))(key, hr) - clean)
        )
        for photons in (1e4, 1e6, 1e8)
    }
    # Ten times fewer counts for each factor of ten of the noise's variance.
    assert errors[1e4] == pytest.approx(10 * errors[1e6], rel=0.1)
    assert errors[1e8] < 0.2 * errors[1e6]


def test_noise_of_an_image_does_not_depend_on_its_batch(key, hr):
    degrade = sparse_view_ct(BEAM, dose=LowDose(1e4))
    keys = jax.random.split(key, 4)
    np.testing.assert_allclose(
        degrade(keys, hr)[2:], degrade(keys[2:], hr[2:]), atol=1e-5
    )


def test_limited_arcs():
    assert BEAM.within(0.0, 1.0).num_angles == 16
    with pytest.raises(ValueError, match=r"no view lies within 4\.0 and 5\.0"):
        BEAM.within(4.0, 5.0)


@pytest.mark.parametrize(("name", "factor"), [("ct_srgan", 1), ("us_srgan", 4)])
def test_training_pairs_are_aligned_crops_of_what_evaluation_sees(
    load_config, key, name, factor
):
    """Without symmetries, each training pair is a window of the evaluation pair."""
    symmetries = ("flip_horizontal", "flip_vertical", "rotate")
    config = load_config(name, **{f"augmentation__{s}": False for s in symmetries})
    rng = np.random.default_rng(0)
    hr = rng.uniform(size=(3, *config.data.shape, 1)).astype(np.float32)
    batch = Batch(jnp.asarray(hr), jnp.ones(3, bool), jnp.arange(3))
    degrade = build(config)
    whole = evaluation_pairs(config)(degrade, key, batch)
    pair = training_pairs(config)(degrade, key, batch)
    height, width = config.data.patch
    assert pair.hr.shape == (3, height, width, 1)
    assert pair.degraded.shape == (3, height, width // factor, 1)
    for i in range(3):
        windows = np.lib.stride_tricks.sliding_window_view(
            hr[i, ..., 0], config.data.patch
        )
        matches = np.argwhere(np.all(windows == pair.hr[i, ..., 0], axis=(2, 3)))
        assert len(matches) == 1
        row, column = matches[0]
        if factor == 1:
            expected = whole.degraded[i, row : row + height, column : column + width]
        else:
            expected = pair.hr[i, :, ::factor]
        np.testing.assert_allclose(pair.degraded[i], expected, atol=1e-6)


def test_build_reads_the_configuration(load_config, key, hr):
    config = load_config("us_srgan", degradation__offset=1)
    np.testing.assert_array_equal(build(config)(key, hr), hr[:, :, 1::4])
    config = load_config("ct_srgan", data__shape=(SIZE, SIZE))
    beam = ParallelBeam(size=SIZE, num_angles=config.degradation.num_angles)
    expected = sparse_view_ct(beam.every(config.degradation.factor))(key, hr)
    np.testing.assert_allclose(build(config)(key, hr), expected, atol=1e-6)
