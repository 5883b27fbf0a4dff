import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage import transform

from sisr_jax.degradation import build
from sisr_jax.evaluation.acquisition import acquisition
from sisr_jax.evaluation.baselines import methods_of
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.evaluation.regions import Regions
from sisr_jax.evaluation.setup import build_setup, finish, own_range, protocol_config


@pytest.fixture
def ct(load_config):
    return load_config("ct_srgan", data__shape=(32, 32), degradation__num_angles=48)


def setup_of(config, protocol):
    acquire = acquisition(config, protocol)
    return build_setup(protocol, acquire), methods_of(acquire)


@pytest.fixture
def us(load_config):
    return load_config("us_srgan", degradation__factor=4)


def images(low=0.2, high=0.6, seed=0):
    row, column = np.mgrid[:32, :32] - 16
    inside = (np.hypot(row, column) < 12)[None, :, :, None]
    noise = np.random.default_rng(seed).random((2, 32, 32, 1))
    return np.where(inside, low + (high - low) * noise, low / 2).astype(np.float32)


def unit(image):
    return (image - image.min()) / (image.max() - image.min())


def test_own_range():
    scaled = np.asarray(own_range(jnp.asarray(images())))
    for each, original in zip(scaled, images(), strict=True):
        np.testing.assert_allclose(each, unit(original), atol=1e-6)
    assert np.array_equal(
        own_range(jnp.full((1, 4, 4, 1), 0.3)), np.zeros((1, 4, 4, 1))
    )


def test_physical_leaves_the_images_alone(ct):
    setup, _ = setup_of(ct, protocol_of(ct))
    seen = setup.observe(images(), Regions())
    np.testing.assert_array_equal(seen.target, images())
    np.testing.assert_array_equal(finish(protocol_of(ct), images() * 3 - 0.5).max(), 1)


def test_seed_ct_is_the_originals_pair(ct):
    """The original in scikit-image: scale, project, drop views, reconstruct, scale."""
    protocol = protocol_of(ct, "seed")
    setup, methods = setup_of(ct, protocol)
    hr = images()
    seen = jax.jit(setup.observe)(hr, Regions())
    factor = ct.degradation.factor
    estimate = finish(protocol, methods["Sparse FBP"](seen.measured))
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


def test_seed_ultrasound_is_the_originals_pair(us):
    protocol = protocol_of(us, "seed")
    setup, methods = setup_of(us, protocol)
    seen = setup.observe(images(), Regions())
    for i, frame in enumerate(images()):
        scaled = unit(frame)
        np.testing.assert_allclose(seen.target[i], scaled, atol=1e-6)
        columns = unit(scaled[:, 0:-1:4])
        np.testing.assert_allclose(seen.measured[i], columns, atol=1e-5)
    estimate = methods["Bicubic (half-pixel)"](seen.measured)
    np.testing.assert_array_equal(finish(protocol, estimate), estimate)


def test_scores_belong_to_their_row(us):
    protocol = protocol_of(us)
    setup, _ = setup_of(us, protocol)
    hr = images()
    seen = setup.observe(hr, Regions())
    estimates = {"b": jnp.asarray(hr) - 0.1, "a": jnp.asarray(hr), "c": hr * 0 + 9.0}
    scores = jax.jit(setup.score)(estimates, seen)
    np.testing.assert_allclose(scores["b"]["psnr"], 20.0, atol=0.1)
    assert np.isinf(scores["a"]["psnr"]).all()
    np.testing.assert_array_equal(scores["a"]["residual"], 0.0)
    # Clipped to 1 before anything is measured.
    expected = np.sqrt(np.mean((1 - hr) ** 2, axis=(1, 2, 3))) * 255
    np.testing.assert_allclose(scores["c"]["rmse"], expected, rtol=1e-4)


def test_residual_of_the_seed_is_that_of_the_estimate_before_it_is_scaled(ct):
    protocol = protocol_of(ct, "seed")
    setup, _ = setup_of(ct, protocol)
    seen = setup.observe(images(), Regions())
    truth = own_range(jnp.asarray(images()))
    np.testing.assert_allclose(
        setup.score({"truth": truth * 1.0}, seen)["truth"]["residual"], 0, atol=1e-5
    )
    doubled = setup.score({"twice": truth * 2.0}, seen)["twice"]["residual"]
    np.testing.assert_allclose(doubled, 1.0, rtol=1e-5)


def test_images_of_a_protocol_are_read_by_its_window_and_size(load_config):
    config = load_config("us_srgan", degradation__offset=2)
    seed = protocol_config(config, protocol_of(config, "seed"))
    assert (seed.data.shape, seed.data.fit) == ((512, 512), "crop")
    assert seed.degradation.offset == 0
    assert protocol_config(config, protocol_of(config)) == config
    ct = load_config("ct_srgan")
    assert protocol_config(ct, protocol_of(ct, "seed")).data.window == (-1024, 200)


@pytest.mark.parametrize("method", ["matmul", "exact"])
def test_baselines_see_the_acquisition_of_the_network(key, load_config, method):
    config = load_config(
        "ct_srgan",
        data__shape=(32, 32),
        degradation__method=method,
        degradation__factor=5,
    )
    degrade, protocol = build(config), protocol_of(config)
    acquire = acquisition(config, protocol, degrade)
    assert acquire.kept is degrade.beam or method == "exact"
    hr = jnp.asarray(images())
    estimate = methods_of(acquire)["Sparse FBP"](acquire(hr))
    np.testing.assert_allclose(estimate, degrade(key, hr), atol=1e-5)
    other = acquisition(config, protocol_of(config, "seed"))
    seeds = methods_of(other)["Sparse FBP"](other(hr))
    assert float(np.abs(estimate - seeds).max()) > 1e-3
