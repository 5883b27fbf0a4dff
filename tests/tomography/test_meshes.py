"""Both methods inside `shard_map` and on meshes whose axes are explicit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.tomography import ParallelBeam, back_project, fbp, radon

BEAM = ParallelBeam(8, 5)
SPLIT = jax.sharding.PartitionSpec("data")

methods = pytest.mark.parametrize("method", ["matmul", "reference"])
kinds = pytest.mark.parametrize("kind", ["Auto", "Explicit"])


def everything(image, method):
    """Projection, both transposes of it, reconstruction."""
    views, pull_back = jax.vjp(lambda x: radon(x, BEAM, method=method), image)
    back = back_project(views, BEAM, method=method)
    return views, pull_back(views)[0], back, fbp(views, BEAM, method=method)


def case(kind):
    axis_type = getattr(jax.sharding.AxisType, kind)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(axis_type,))
    images = jax.random.normal(jax.random.key(0), (4, 8, 8))
    return mesh, images, jax.device_put(images, jax.NamedSharding(mesh, SPLIT))


@kinds
@methods
def test_inside_shard_map(kind, method):
    mesh, images, split = case(kind)
    function = jax.shard_map(
        lambda image: everything(image, method),
        mesh=mesh,
        in_specs=SPLIT,
        out_specs=SPLIT,
    )
    for found, expected in zip(
        jax.jit(function)(split), everything(images, method), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)


@kinds
@methods
def test_on_a_mesh(kind, method):
    mesh, images, split = case(kind)
    with jax.set_mesh(mesh):
        found = jax.jit(everything, static_argnums=1)(split, method)
    for ours, theirs in zip(found, everything(images, method), strict=True):
        assert ours.sharding.spec[0] == "data"
        np.testing.assert_allclose(
            np.asarray(ours), np.asarray(theirs), rtol=1e-5, atol=1e-4
        )


@methods
def test_what_the_devices_share_does_not_vary(method):
    """A sum over the devices makes a replicated result, as with any other product."""
    mesh, images, split = case("Auto")

    @jax.shard_map(mesh=mesh, in_specs=SPLIT, out_specs=jax.sharding.PartitionSpec())
    def energy(image):
        return jax.lax.psum(jnp.sum(radon(image, BEAM, method=method) ** 2), "data")

    expected = jnp.sum(radon(images, BEAM, method=method) ** 2)
    np.testing.assert_allclose(jax.jit(energy)(split), expected, rtol=1e-5)
