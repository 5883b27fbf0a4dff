import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_operator import dense_copy

from sisr_jax.tomography import ParallelBeam, ParallelBeamCT


@pytest.fixture(scope="session")
def small_ct():
    """Five views of 12 x 12 pixels: 144 unknowns, 85 rays, some beside the image."""
    return ParallelBeamCT(ParallelBeam(12, 5))


@pytest.fixture(scope="session")
def dense_ct(small_ct):
    return dense_copy(small_ct)


@pytest.fixture(scope="session")
def truth():
    image = np.zeros((12, 12), np.float32)
    image[3:9, 4:10] = 0.8
    image[5:7, 5:7] = 0.3
    return jnp.asarray(image)


@pytest.fixture
def double_precision():
    """Switches float64 on for one test."""
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)
