"""One battery over all degradations: what any acquisition model must satisfy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.degradation import (
    LowDose,
    lateral_decimation,
    modality_of,
    random_view_ct,
    sparse_view_ct,
    sparse_view_fan_ct,
)
from sisr_jax.degradation.ct import draw_views
from sisr_jax.hosts.mesh import batch_sharding, make_mesh
from sisr_jax.tomography import FanBeam, ParallelBeam

SIZE = 24
BEAM = ParallelBeam(size=SIZE, num_angles=48)
FAN = FanBeam(
    size=SIZE,
    pixel_mm=1.0,
    source_to_origin_mm=50.0,
    source_to_detector_mm=80.0,
    num_detectors=40,
    detector_pitch_mm=1.6,
    angles=np.arange(12) * 2 * np.pi / 12,
)

DEGRADATIONS = {
    "sparse-view CT": sparse_view_ct(BEAM.every(4)),
    "sparse-view CT, Hann": sparse_view_ct(BEAM.every(4), filter_name="hann"),
    "sparse-view CT, reference": sparse_view_ct(BEAM.every(4), method="reference"),
    "sparse-view CT, uniform": sparse_view_ct(BEAM.every(5), weights="uniform"),
    "limited-angle CT": sparse_view_ct(BEAM.within(0.0, 2.0)),
    "random views": random_view_ct(BEAM, min_views=4, max_views=24),
    "fan beam": sparse_view_fan_ct(FAN),
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
def test_images_of_several_channels_are_refused(degrade):
    keys = jax.random.split(jax.random.key(0), 2)
    hr = np.zeros((2, SIZE, SIZE, 2), np.float32)
    with pytest.raises(ValueError, match=rf"^images of shape \(2, {SIZE}, {SIZE}, 2\)"):
        jax.eval_shape(degrade, keys, hr)


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
    if degrade is DEGRADATIONS["fan beam"]:
        return  # XLA:CPU does not split the kernel of its sparse product
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
    weights = jax.vmap(lambda k: draw_views(k, BEAM, min_views=5, max_views=12))(
        jax.random.split(key, 64)
    )
    counts = np.asarray((weights > 0).sum(-1))
    assert counts.min() == 5
    assert counts.max() == 12
    # Every view stands for half of the gaps beside it; together for half a turn.
    np.testing.assert_allclose(weights.sum(-1), np.pi, rtol=1e-6)
    np.testing.assert_array_less(weights.max(-1), 1.5 * np.pi / counts)
    assert len(np.unique(np.argmax(weights > 0, axis=-1))) > 1


def test_all_views_drawn_are_the_whole_scan(key, hr):
    drawn = random_view_ct(BEAM, min_views=48, max_views=48)(key, hr)
    np.testing.assert_allclose(drawn, sparse_view_ct(BEAM)(key, hr), atol=2e-6)


@pytest.mark.parametrize(("fewest", "most"), [(0, 4), (5, 4), (4, 49)])
def test_impossible_numbers_of_views(fewest, most):
    with pytest.raises(
        ValueError, match=f"min_views = {fewest}, max_views = {most}: .* 48"
    ):
        random_view_ct(BEAM, min_views=fewest, max_views=most)


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
    # Of nothing, so that rounding of the projection cannot tip a count over.
    hr = jnp.zeros_like(hr)
    np.testing.assert_allclose(
        degrade(keys, hr)[2:], degrade(keys[2:], hr[2:]), atol=1e-5
    )


def test_measurement_and_estimate_make_the_degraded_image(key, hr):
    degrade = random_view_ct(BEAM, min_views=4, max_views=24, dose=LowDose(1e5))
    seen = degrade.measure(key, hr)
    assert seen.values.shape == (4, *seen.operator.range_shape)
    np.testing.assert_array_equal(degrade.estimate(seen), degrade(key, hr))
    # What was not drawn was not measured, noise or not.
    drawn = np.asarray(seen.operator.sampled > 0)
    assert not np.asarray(seen.values)[~drawn].any()
    clean = random_view_ct(BEAM, min_views=4, max_views=24).measure(key, hr)
    np.testing.assert_array_equal(clean.operator.sampled, seen.operator.sampled)
    np.testing.assert_allclose(clean.values, clean.operator(hr[..., 0]), atol=1e-6)


def test_noise_and_views_have_keys_of_their_own(key, hr):
    """Of one key, the first number of both would be the same random bits."""
    dose, keys = LowDose(1e5), jax.random.split(key, len(hr))
    degrade = random_view_ct(BEAM, min_views=4, max_views=24, dose=dose)
    values, operator = degrade.measure(keys, hr)
    clean = operator(hr[..., 0])
    moved = np.asarray(jnp.abs(values - clean) > 1e-3)
    assert moved.any((1, 2)).all()
    # The views take the key itself and the two that it splits into.
    for taken in (keys, *jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)):
        shared = operator.measured(dose.spoil(taken, clean, operator))
        assert not np.isclose(values, shared, atol=1e-4)[moved].mean() > 0.5
    # Which key it is is a contract: a resumed run draws the same.
    own = jax.vmap(lambda each: jax.random.fold_in(each, 2))(keys)
    expected = operator.measured(dose.spoil(own, clean, operator))
    assert np.isclose(values, expected, atol=1e-4).mean() > 0.99


@pytest.mark.parametrize("low", [-1000.0, -500.0])
def test_noise_is_unbiased_whatever_the_window(key, hr, low):
    """A window above air adds a constant, whose line integrals must not stay behind."""
    dose = LowDose(1e7, window=(low, 1000.0))
    clean = sparse_view_ct(BEAM).measure(key, hr).values
    noisy = sparse_view_ct(BEAM, dose=dose).measure(key, hr).values
    assert float(jnp.abs(jnp.mean(noisy - clean))) < 2e-3
    assert 1e-3 < float(jnp.std(noisy - clean)) < 0.2


def test_photons_are_drawn_for_each_image(key):
    hr = jnp.full((64, SIZE, SIZE, 1), 0.5)
    beam = BEAM.every(4)
    clean = sparse_view_ct(beam).measure(key, hr).values

    def deviations(photons):
        noisy = sparse_view_ct(beam, dose=LowDose(photons)).measure(key, hr).values
        return np.asarray(jnp.std(noisy - clean, axis=(1, 2)))

    drawn, few, many = deviations((1e4, 1e6)), deviations(1e4), deviations(1e6)
    assert many.max() < 1.2 * drawn.min()
    assert drawn.max() < 1.2 * few.min()
    assert drawn.max() > 4 * drawn.min()  # ten, for the extremes
    middle = np.median(np.log10(drawn / many.mean()))  # log-uniform: 0.5
    assert 0.3 < middle < 0.7


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"photons": 0.0}, r"photons = 0.0: expected 0 < fewest <= most"),
        ({"photons": (1e5, 1e4)}, r"photons = \(100000.0, 10000.0\)"),
        (
            {"photons": 1e4, "window": (-1024.0, 200.0)},
            r"window = \(-1024.0, 200.0\): expected to start at -1000 HU",
        ),
    ],
)
def test_impossible_doses(values, message):
    with pytest.raises(ValueError, match=message):
        LowDose(**values)


def test_limited_arcs():
    assert BEAM.within(0.0, 1.0).num_angles == 16
    with pytest.raises(ValueError, match=r"no view lies within 4\.0 and 5\.0"):
        BEAM.within(4.0, 5.0)


def test_build_reads_the_configuration(load_config, key, hr):
    config = load_config("us_srgan", degradation__offset=1)
    np.testing.assert_array_equal(
        modality_of(config).degrade(config)(key, hr), hr[:, :, 1::4]
    )
    config = load_config("ct_srgan", data__shape=(SIZE, SIZE))
    beam = ParallelBeam(size=SIZE, num_angles=config.degradation.num_angles)
    kept = beam.every(config.degradation.factor)
    expected = sparse_view_ct(kept)(key, hr)
    np.testing.assert_allclose(
        modality_of(config).degrade(config)(key, hr), expected, atol=1e-6
    )


def test_dose_and_drawn_views_come_from_the_configuration(load_config, key, hr):
    config = load_config(
        "ct_srgan",
        data__shape=(SIZE, SIZE),
        data__patch=(SIZE, SIZE),
        degradation__factor=2,
        degradation__views=(4, 9),
        degradation__dose__photons=(1e4, 1e5),
        degradation__dose__pixel_mm=1.0,
    )
    beam = ParallelBeam(size=SIZE, num_angles=config.degradation.num_angles).every(2)
    dose = LowDose((1e4, 1e5), pixel_mm=1.0)
    expected = random_view_ct(beam, min_views=4, max_views=9, dose=dose)(key, hr)
    degraded = modality_of(config).degrade(config)(key, hr)
    np.testing.assert_allclose(degraded, expected, atol=1e-6)
