"""Images of a user through a restorer, in physical units."""

import numpy as np
import pytest
from networks import random_restorer

from sisr_jax.data.transforms import clipped_share
from sisr_jax.errors import InputError
from sisr_jax.inference.slices import restore_images

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_degraded_images_in_other_units_are_refused():
    """Stored values for HU; but what a reconstruction has below air is right."""
    restorer = random_restorer("unet")
    images = np.random.default_rng(0).normal(-1050, 200, (1, 16, 16))
    assert clipped_share(images[0], (-1000.0, 1000.0)) > 0.4
    images = images.astype(np.float32)
    assert restore_images(restorer, images).images.shape == images.shape
    for other in (images + 32768, images - 32768):
        with pytest.raises(InputError, match="100 % of the pixels lie outside"):
            restore_images(restorer, other)
