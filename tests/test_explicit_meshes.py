"""Functions on meshes of explicit axes give what they give elsewhere."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from sisr_jax.degradation.dose import LowDose
from sisr_jax.image.patches import flip_and_rotate, random_crop
from sisr_jax.image.shuffle import depth_to_space, depth_to_width, space_to_depth
from sisr_jax.metrics import gcnr
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.noise import low_dose

KEY = jax.random.key(0)
INSIDE = np.arange(16)[:, None, None] < np.full((16, 1), 5)
SYMMETRIES = {"horizontal": True, "vertical": True, "rotate": True}


def keys():
    return jax.random.split(KEY, 4)


def spoiled(images):
    operator = ParallelBeamCT(ParallelBeam(16, 4))
    dose = LowDose(photons=(1e4, 1e5), window=(-500.0, 500.0))
    return dose.spoil(keys(), operator(images[..., 0]), operator)


FUNCTIONS = {
    "low dose": lambda images: low_dose(KEY, images, photons=jnp.float32(1e4)),
    "drawn dose": spoiled,
    "gcnr": lambda images: gcnr(images, INSIDE, ~INSIDE),
    "gcnr, split masks": lambda images: gcnr(images[..., :1], *masks(images)),
    "to depth": lambda images: space_to_depth(images, 2),
    "to space": lambda images: depth_to_space(images, 2),
    "to width": lambda images: depth_to_width(images, 2),
    "symmetries": lambda images: flip_and_rotate(keys(), images, **SYMMETRIES),
    "crops": lambda images: random_crop(keys(), (images,), (8, 8))[0],
    "gradient": jax.grad(lambda images: jnp.sum(depth_to_width(images, 2) ** 3)),
}


def masks(images):
    high = images[..., :1] > 0.5
    return high, ~high


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_split_batch(name, compiled):
    function = FUNCTIONS[name]
    images = jax.random.uniform(jax.random.key(1), (4, 16, 16, 4))
    expected = function(images)
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    split = jax.device_put(images, NamedSharding(mesh, PartitionSpec("data")))
    with jax.set_mesh(mesh):
        found = (jax.jit(function) if compiled else function)(split)
    assert found.sharding.spec[0] == "data"
    np.testing.assert_allclose(
        np.asarray(found), np.asarray(expected), rtol=1e-4, atol=1e-4
    )
