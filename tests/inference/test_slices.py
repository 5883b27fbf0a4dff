"""Images of a user through a restorer, in physical units."""

import dataclasses

import numpy as np
import pytest
from networks import random_restorer

from sisr_jax.data.formats.sinogram import MeasuredSinogram
from sisr_jax.data.transforms import clipped_share
from sisr_jax.errors import InputError
from sisr_jax.inference.exporting import export_views
from sisr_jax.inference.slices import restore_images, restore_sinogram, simulate
from sisr_jax.inference.trained_for import check_simulation, check_sinogram, check_views
from sisr_jax.models import build_generator
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT


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


def test_columns_that_the_factor_does_not_divide():
    """Those that were not measured are not told by the ones that stand beside them."""
    restorer = random_restorer("columns")
    config = restorer.config
    section = dataclasses.replace(config.degradation, offset=2)
    config = dataclasses.replace(config, degradation=section)
    factor, network = section.factor, build_generator(config)
    restorer = dataclasses.replace(restorer, config=config, network=network)
    low, high = config.data.window
    images = np.random.default_rng(0).uniform(low, high, (2, 20, 5 * factor + 2))
    found = simulate(restorer, images.astype(np.float32), factor=factor)
    assert found.images.shape == images.shape
    measured = images[..., 2::factor]
    assert measured.shape[-1] == 5  # the sixth would be the first that is missing
    given = (np.concatenate([measured, measured[..., -1:]], -1) - low) / (high - low)
    expected = np.asarray(restorer(given.astype(np.float32)))[..., : images.shape[-1]]
    found = (found.images - low) / (high - low)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(InputError, match="20x2: too narrow, no column is measured"):
        simulate(restorer, images[..., :2].astype(np.float32), factor=factor)


@pytest.mark.parametrize("factor", [3, 16])
def test_any_columns_that_the_card_is_for(factor):
    restorer = dataclasses.replace(
        random_restorer("any columns"), card={"factors": [2, 16]}
    )
    low, high = restorer.config.data.window
    images = np.random.default_rng(0).uniform(low, high, (1, 20, 50))
    images = images.astype(np.float32)
    found = simulate(restorer, images, factor=factor)
    assert found.images.shape == images.shape
    kept = np.s_[..., ::factor]
    np.testing.assert_allclose(found.images[kept], images[kept], rtol=1e-6)
    assert found.numbers[0]["residual"] == 0
    assert found.numbers[0]["psnr"] < 40
    with pytest.raises(InputError, match="these weights are for one of 2 to 16"):
        simulate(restorer, images, factor=17)


@pytest.mark.parametrize("kind", ["srresnet", "unet", "cascade", "unrolled"])
def test_slices_of_any_size(kind):
    """In a square of air; and a sinogram of a square that no network asks for."""
    restorer = random_restorer(kind)
    config = restorer.config
    images = np.random.default_rng(0).uniform(-900, 900, (1, 17, 21))
    images = images.astype(np.float32)
    found = simulate(restorer, images, factor=config.degradation.factor)
    assert found.images.shape == images.shape
    square = np.full((1, 21, 21), -1000, np.float32)
    square[:, 2:19] = images
    beam = ParallelBeam(21, config.degradation.num_angles)
    beam = beam.every(config.degradation.factor)
    views = ParallelBeamCT(beam)((square + 1000) / 2000)
    again = restore_sinogram(restorer, MeasuredSinogram(np.asarray(views), beam, None))
    np.testing.assert_allclose(again.images[:, 2:19], found.images, atol=0.5)


@pytest.fixture
def of_fans(load_config):
    """A restorer for the fan beam of 32 x 32 pixels."""
    return dataclasses.replace(
        random_restorer("unet"), config=load_config("ct_fan_cascade")
    )


def test_weights_for_fans_take_no_parallel_views(of_fans):
    line = "parallel beams, and these weights are for fan-beam views"
    with pytest.raises(InputError, match=line):
        check_sinogram(of_fans)
    with pytest.raises(InputError, match=line):
        check_views(of_fans, 8)
    with pytest.raises(InputError, match="weights are for fan-beam views"):
        export_views(of_fans, size=32, views=8)


def test_fans_are_simulated_as_in_training(of_fans):
    check_simulation(of_fans, 18)
    with pytest.raises(InputError, match="factor = 9: expected 18, as in training"):
        check_simulation(of_fans, 9)
    # Pixels keep their width: four times as many are beyond the rays.
    images = np.zeros((1, 128, 128), np.float32)
    with pytest.raises(InputError, match=r"source_to_origin_mm = 595\.0: expected a"):
        simulate(of_fans, images, factor=18)
