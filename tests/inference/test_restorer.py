import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from sisr_jax.inference import Restorer
from sisr_jax.models import Cascade, WideSRResNet
from sisr_jax.reconstruction.error_scale import error_scale
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from tests.inference.networks import random_restorer

SIZE = 16
NETWORK = Cascade(1, num_last_steps=2, widths=(2, 4))


@pytest.fixture(scope="module")
def operator():
    return ParallelBeamCT(ParallelBeam(SIZE, 9))


@pytest.fixture(scope="module")
def images():
    values = np.random.default_rng(0).uniform(0.2, 0.8, (5, SIZE, SIZE))
    return jnp.asarray(values, jnp.float32)


@pytest.fixture(scope="module")
def restorer(operator, images):
    y = operator(images[:1])
    shapes = jax.eval_shape(
        lambda key: NETWORK.init(key, y, y, operator, train=False), jax.random.key(0)
    )
    random = np.random.default_rng(1)
    variables = jax.tree.map(
        lambda leaf: jnp.asarray(random.normal(0, 0.1, leaf.shape), jnp.float32), shapes
    )
    return Restorer(NETWORK, variables)


def test_is_the_network_clipped_and_its_residual(restorer, operator, images):
    y = operator(images[:2])
    found = restorer(measurement=y, operator=operator)
    expected = NETWORK.apply(restorer.variables, y, y, operator, train=False)[..., 0]
    np.testing.assert_allclose(found.image, jnp.clip(expected, 0, 1), atol=1e-5)
    for image, one, residual in zip(found.image, y, found.residual, strict=True):
        error = jnp.linalg.norm(operator(image) - one) / jnp.linalg.norm(one)
        np.testing.assert_allclose(residual, error, rtol=1e-4)


def test_what_was_not_measured_is_there_when_asked_for(restorer, operator, images):
    y = operator(images[:2])

    @jax.jit
    def both(y):
        found = restorer(measurement=y, operator=operator)
        return found.image, found.null_space

    image, invented = both(y)
    assert jnp.abs(operator(invented)).max() < 0.01 * jnp.abs(operator(image)).max()
    seen = restorer(measurement=y, operator=operator)
    assert seen.operator is operator  # not a copy of its matrices
    np.testing.assert_allclose(seen.null_space, invented, atol=1e-4)
    assert jnp.std(invented) > 0.01


def test_what_is_left_unexplained_is_what_the_residual_is_of(
    restorer, operator, images
):
    y = operator(images[:2])
    found = restorer(measurement=y, operator=operator)
    left = jnp.linalg.norm(found.unexplained, axis=(1, 2))
    measured = jnp.linalg.norm(y, axis=(1, 2))
    np.testing.assert_allclose(left / measured, found.residual, rtol=1e-4)
    # Its sign: an image that is too bright explains more than was measured.
    bright = dataclasses.replace(found, image=found.image + 1)
    assert bright.unexplained.sum() < found.unexplained.sum()


def test_interval_is_the_calibrated_multiple_of_the_scale(restorer, operator, images):
    y = operator(images[:2])
    with pytest.raises(ValueError, match="no calibration"):
        _ = restorer(measurement=y, operator=operator).interval
    card = {"interval": {"level": 0.9, "multiple": 3.0}}
    known = dataclasses.replace(restorer, card=card)
    found = known(measurement=y, operator=operator)
    lower, upper = found.interval
    half = 3 * error_scale(y, operator)
    np.testing.assert_allclose(lower, jnp.clip(found.image - half, 0, 1), atol=1e-5)
    np.testing.assert_allclose(upper, jnp.clip(found.image + half, 0, 1), atol=1e-5)
    assert (upper > lower).any()


def test_one_a_batch_and_a_series_agree(restorer, operator, images):
    y = operator(images)
    series = restorer(measurement=y, operator=operator)
    assert series.image.shape == (5, SIZE, SIZE)
    one = restorer(measurement=y[4], operator=operator)
    assert one.image.shape == (SIZE, SIZE)
    assert one.residual.shape == ()
    np.testing.assert_allclose(series.image[4], one.image, atol=1e-5)
    np.testing.assert_allclose(series.residual[4], one.residual, atol=1e-5)
    grid = restorer(measurement=y[:4].reshape(2, 2, *y.shape[1:]), operator=operator)
    np.testing.assert_allclose(
        grid.image.reshape(4, SIZE, SIZE), series.image[:4], atol=1e-5
    )


def test_under_jit_vmap_and_grad(restorer, operator, images):
    y = operator(images[:2])
    expected = restorer(measurement=y, operator=operator).image

    def restore(y, operator):
        return restorer(measurement=y, operator=operator).image

    np.testing.assert_allclose(jax.jit(restore)(y, operator), expected, atol=1e-5)
    mapped = jax.vmap(restore, (0, None))(y, operator)
    np.testing.assert_allclose(mapped, expected, atol=1e-5)
    slope = jax.grad(lambda y: restore(y, operator).sum())(y)
    assert jnp.isfinite(slope).all()
    assert jnp.abs(slope).max() > 0


def test_views_that_each_image_has_of_its_own(restorer, operator, images):
    measured = np.arange(9) % np.array([[1], [2]]) == 0
    own = ParallelBeamCT(operator.beam, sampled=jnp.where(measured, 0.3, 0.0))
    found = restorer(measurement=operator(images[:2]), operator=own)
    assert found.image.shape == (2, SIZE, SIZE)
    assert jnp.isfinite(found.residual).all()


@pytest.mark.parametrize("dtype", ["uint8", "bool", "complex64"])
def test_values_that_are_no_share_of_the_window(restorer, operator, images, dtype):
    y = np.asarray(operator(images[:1])).astype(dtype)
    with pytest.raises(ValueError, match=f"^measurement of type {dtype}: expected flo"):
        restorer(measurement=y, operator=operator)
    with pytest.raises(ValueError, match=f"^image of type {dtype}: expected floats"):
        restorer(np.zeros((SIZE, SIZE), dtype))


def test_a_measurement_of_another_shape(restorer, operator):
    with pytest.raises(ValueError, match=r"\(3, 17\)"):
        restorer(measurement=np.zeros((3, 17)), operator=operator)


def test_a_batch_is_dealt_out_to_all_devices(restorer, operator, images):
    y = np.asarray(operator(images))
    found = restorer(measurement=y, operator=operator)
    assert len(found.image.sharding.device_set) == len(jax.local_devices()) > 1
    device = jax.local_devices()[2]
    there = restorer(measurement=jax.device_put(y, device), operator=operator)
    assert there.image.sharding.device_set == {device}
    np.testing.assert_allclose(found.image, there.image, atol=1e-5)
    np.testing.assert_allclose(found.residual, there.residual, atol=1e-5)


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_no_images_are_restored_to_none(restorer, operator, shape):
    y = np.zeros((*shape, *operator.range_shape), np.float32)
    found = restorer(measurement=y, operator=operator)
    assert found.image.shape == (*shape, SIZE, SIZE)
    assert found.residual.shape == shape
    network, lines = WideSRResNet(8, num_blocks=1, factor=4), np.zeros((*shape, 16, 4))
    shapes = jax.eval_shape(
        lambda key: network.init(key, jnp.zeros((1, 16, 4, 1)), train=False),
        jax.random.key(0),
    )
    of_lines = Restorer(network, jax.tree.map(lambda x: np.zeros(x.shape), shapes))
    for given in (lines, jax.device_put(lines, jax.local_devices()[1])):
        assert of_lines(given).shape == (*shape, 16, 16)


def test_whoever_places_the_weights_chooses_the_devices(restorer, operator, images):
    y, device = np.asarray(operator(images)), jax.local_devices()[2]
    expected = restorer(measurement=y, operator=operator).image  # of all devices
    variables = jax.device_put(restorer.variables, device)
    there = dataclasses.replace(restorer, variables=variables)
    found = there(measurement=y, operator=operator).image
    assert found.sharding.device_set == {device}
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_mesh_of_the_caller_is_left_alone(restorer, operator, images):
    y = np.asarray(operator(images))
    expected = restorer(measurement=y, operator=operator).image
    with jax.set_mesh(jax.make_mesh((2,), ("data",))):
        found = restorer(measurement=y, operator=operator).image
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("axes", [(("data", "model"),), (None, "model")])
def test_images_that_are_split_over_an_explicit_mesh(restorer, operator, images, axes):
    """More of them than are restored together; the result is split as they are."""
    explicit = (AxisType.Explicit,) * 2
    mesh = jax.make_mesh((2, 2), ("data", "model"), axis_types=explicit)
    placed = NamedSharding(mesh, PartitionSpec(*axes))
    beam = ParallelBeam(SIZE, 8)  # of which an axis of the mesh takes half each
    operator = ParallelBeamCT(beam)
    images = jnp.concatenate([images, images[:3]])
    calibrated = dataclasses.replace(restorer, card={"interval": {"multiple": 2.0}})
    y = operator(images)
    expected = calibrated(measurement=y, operator=operator)
    found = calibrated(measurement=jax.device_put(y, placed), operator=operator)
    batch = PartitionSpec(axes[0])
    assert found.residual.sharding.spec == batch
    for name in ("image", "residual", "null_space", "unexplained", "interval"):
        both = (getattr(each, name) for each in (found, expected))
        for a, b in zip(*map(jax.tree.leaves, both), strict=True):
            assert a.sharding.spec[0] == batch[0]
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=1e-4)


@pytest.mark.parametrize("axes", [("data",), (), (None, "data"), (None, None, "data")])
def test_degraded_images_that_are_split_over_an_explicit_mesh(axes):
    restorer = random_restorer("columns")
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    lines = jnp.asarray(np.random.default_rng(3).uniform(size=(6, SIZE, 4)), "float32")
    expected = restorer(lines)
    split = jax.device_put(lines, NamedSharding(mesh, PartitionSpec(*axes)))
    found = restorer(split)
    assert found.sharding.spec[0] == (axes or (None,))[0]
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-5)

    def energy(lines):
        return jnp.sum(restorer(lines) ** 2)

    with jax.set_mesh(mesh):
        gradient = jax.jit(jax.grad(energy))(split)
    np.testing.assert_allclose(
        np.asarray(gradient), jax.grad(energy)(lines), rtol=1e-3, atol=1e-4
    )


def test_a_measurement_with_too_few_axes_is_refused(restorer, operator):
    with pytest.raises(ValueError, match=r"shape \(8,\): expected the 2 axes of the"):
        restorer(measurement=jnp.ones(8), operator=operator)
