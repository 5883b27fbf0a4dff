import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import transform

from sisr_jax.degradation import modality_of
from sisr_jax.evaluation.protocol import config_of, protocol_of
from sisr_jax.evaluation.regions import Regions
from sisr_jax.evaluation.setup import finish, observe, score
from sisr_jax.image.intensity import own_range
from sisr_jax.metrics import METRICS


@pytest.fixture
def ct(load_config):
    return load_config(
        "ct_srgan",
        data__shape=(32, 32),
        degradation__num_angles=48,
        degradation__factor=8,
    )


@pytest.fixture
def us(load_config):
    return load_config("us_srgan", degradation__factor=4)


def parts(config, family):
    """Protocol, degradation and baselines."""
    adapted = config_of(config, family)
    modality = modality_of(adapted)
    degradation, baselines = modality.degrade(adapted), modality.baselines(adapted)
    return protocol_of(config, family), degradation, baselines


def observed(config, family, hr):
    return observe(*parts(config, family), jax.random.key(0), hr, Regions())


def images(low=0.2, high=0.6, seed=0):
    row, column = np.mgrid[:32, :32] - 16
    inside = (np.hypot(row, column) < 12)[None, :, :, None]
    noise = np.random.default_rng(seed).random((2, 32, 32, 1))
    image = np.where(inside, low + (high - low) * noise, low / 2)
    return jnp.asarray(image, jnp.float32)


def unit(image):
    return (image - image.min()) / (image.max() - image.min())


def test_physical_leaves_the_images_alone(ct):
    seen = observed(ct, "physical", images())
    np.testing.assert_array_equal(seen.target, images())
    np.testing.assert_array_equal(finish(protocol_of(ct), images() * 3 - 0.5).max(), 1)


def test_original_ct_is_the_originals_pair(ct):
    """The original in scikit-image: scale, project, drop views, reconstruct, scale."""
    protocol, degradation, baselines = parts(ct, "original")
    hr = images()
    seen = jax.jit(
        lambda degradation, baselines, hr: observe(
            protocol, degradation, baselines, jax.random.key(0), hr, Regions()
        )
    )(degradation, baselines, hr)
    factor = ct.degradation.factor
    estimate = finish(protocol, baselines(seen.measurement)["Sparse FBP"])
    degrees = np.linspace(0, 180, 48, endpoint=False)
    for i in range(2):
        views = transform.radon(unit(hr[i, ..., 0]), degrees, circle=False)

        def inverse(step, views=views):
            image = transform.iradon(
                views[:, ::step], degrees[::step], output_size=32, circle=False
            )
            return unit(image)

        np.testing.assert_allclose(seen.target[i, ..., 0], inverse(1), atol=5e-4)
        np.testing.assert_allclose(estimate[i, ..., 0], inverse(factor), atol=5e-4)


def test_original_ultrasound_is_the_originals_pair(us):
    protocol, degradation, baselines = parts(us, "original")
    seen = observe(
        protocol, degradation, baselines, jax.random.key(0), images(), Regions()
    )
    for i, frame in enumerate(images()):
        scaled = unit(frame)
        np.testing.assert_allclose(seen.target[i], scaled, atol=1e-6)
        columns = unit(scaled[:, 0:-1:4])[..., 0]
        np.testing.assert_allclose(seen.measurement.values[i], columns, atol=1e-5)
    estimate = baselines(seen.measurement)["Bicubic (half-pixel)"]
    np.testing.assert_array_equal(finish(protocol, estimate), estimate)


def test_scores_belong_to_their_row(us):
    protocol = protocol_of(us)
    hr = images()
    seen = observed(us, "physical", hr)
    estimates = {"b": jnp.asarray(hr) - 0.1, "a": jnp.asarray(hr), "c": hr * 0 + 9.0}
    scores = jax.jit(lambda estimates, seen: score(protocol, METRICS, estimates, seen))(
        estimates, seen
    )
    np.testing.assert_allclose(scores["b"]["psnr"], 20.0, atol=0.1)
    assert np.isinf(scores["a"]["psnr"]).all()
    np.testing.assert_array_equal(scores["a"]["residual"], 0.0)
    # Clipped to 1 before anything is measured.
    expected = np.sqrt(np.mean((1 - hr) ** 2, axis=(1, 2, 3))) * 255
    np.testing.assert_allclose(scores["c"]["rmse"], expected, rtol=1e-4)
    expected = np.mean(1 - hr, axis=(1, 2, 3))
    np.testing.assert_allclose(scores["c"]["mae"], expected, rtol=1e-4)


def test_residual_of_the_original_is_that_of_the_estimate_before_it_is_scaled(ct):
    protocol = protocol_of(ct, "original")
    seen = observed(ct, "original", images())
    truth = own_range(jnp.asarray(images()))
    scores = score(protocol, {}, {"truth": truth, "twice": truth * 2.0}, seen)
    np.testing.assert_allclose(scores["truth"]["residual"], 0, atol=1e-5)
    np.testing.assert_allclose(scores["twice"]["residual"], 1.0, rtol=1e-5)


def test_images_of_a_protocol_are_read_by_its_window_and_size(load_config):
    config = load_config("us_srgan", degradation__offset=2)
    original = config_of(config, "original")
    assert (original.data.shape, original.data.fit) == ((512, 512), "crop")
    assert original.degradation.offset == 0
    assert config_of(config) == config
    ct = load_config("ct_srgan")
    assert config_of(ct, "original").data.window == (-1024, 200)


@pytest.mark.parametrize("method", ["matmul", "reference"])
def test_baselines_see_the_measurement_of_the_network(key, load_config, method):
    config = load_config(
        "ct_srgan",
        data__shape=(32, 32),
        degradation__method=method,
        degradation__factor=5,
    )
    degradation = modality_of(config).degrade(config)
    hr = jnp.asarray(images())
    baselines = modality_of(config).baselines(config)
    estimate = baselines(degradation.measure(key, hr))["Sparse FBP"]
    np.testing.assert_allclose(estimate, degradation(key, hr), atol=1e-5)
    noisy = dataclasses.replace(config.degradation.dose, photons=(1e4, 1e4))
    config = dataclasses.replace(
        config, degradation=dataclasses.replace(config.degradation, dose=noisy)
    )
    seen = observed(config, "physical", hr)
    again = modality_of(config).degrade(config)(jax.random.key(0), hr)
    np.testing.assert_allclose(
        baselines(seen.measurement)["Sparse FBP"], again, atol=1e-5
    )
    assert float(jnp.abs(again - estimate).max()) > 1e-3
