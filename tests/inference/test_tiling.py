"""Large images in tiles: what the network makes of them whole, without a seam."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import OF_IMAGES, random_restorer

from sisr_jax.inference import tiling
from sisr_jax.inference.tiling import Tiling, cover, restore_in_tiles, tiling_of


def images(*shape):
    values = np.random.default_rng(0).uniform(0.2, 0.8, shape)
    return jnp.asarray(values, jnp.float32)


def with_section(config, **changes):
    section = dataclasses.replace(config.generator, **changes)
    return dataclasses.replace(config, generator=section)


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_a_network_looks_as_far_as_its_section_says(kind):
    """And no farther: of every pixel of a block, the largest distance is the reach."""
    restorer = random_restorer(kind)
    found = tiling_of(restorer.config)
    assert found is not None
    _, reach, multiple, factor = found
    middle = -(-2 * reach // multiple) * multiple

    @jax.jit
    @jax.grad
    def slope(image, row, column):
        return restorer.network.apply(
            restorer.variables, image[None, ..., None], None, None, train=False
        )[0, row, column, 0]

    seen = []
    for row, column in zip(
        middle + np.arange(multiple * factor) // factor,
        middle * factor + np.arange(multiple * factor),
        strict=True,
    ):
        changes = slope(images(2 * middle, 2 * middle), row, column)
        places = np.argwhere(np.asarray(changes) != 0)
        seen.append(np.abs(places - [row, column // factor]).max())
    assert max(seen) == reach


@pytest.mark.parametrize("kind", OF_IMAGES)
def test_tiles_are_the_whole_image(kind, monkeypatch):
    """Sides that do not divide, two images, and from a measurement, too."""
    restorer = random_restorer(kind)
    degraded = images(2, 245, 187)
    whole = restorer(degraded)
    factor = restorer.config.degradation.width_factor
    assert whole.shape == (2, 245, 187 * factor)
    monkeypatch.setattr(tiling, "_LARGEST", 64)
    cut = tiling_of(restorer.config)
    assert cut is not None
    assert not cut.holds((245, 187))
    in_tiles = dataclasses.replace(restorer)(degraded)
    # Weights are random and outputs not: their deviation is what rounding is part of.
    assert jnp.std(whole) > 0.01
    np.testing.assert_allclose(in_tiles, whole, atol=2e-6)


def test_sides_are_not_believed_and_what_is_sums_to_one():
    """Whatever a network makes of the zeros around a tile does not come through."""
    cut = Tiling((40, 48), 7, 4, 2)
    image = images(1, 102, 131)
    inner = np.pad(np.ones((40 - 14, 48 - 14)), 7)

    def restore(tile):
        wide = jnp.repeat(tile, 2, -1)
        return jnp.where(jnp.repeat(jnp.asarray(inner), 2, -1) > 0, wide, wide + 1000)

    found = restore_in_tiles(restore, image, cut)
    expected = jnp.repeat(image, 2, -1)
    # The sides of the image itself are those of its tiles; behind 131 is one column.
    inside = np.s_[:, 7:-9, 14:-14]
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-6)
    assert jnp.abs(found - expected).max() > 100
    plain = restore_in_tiles(lambda tile: jnp.repeat(tile, 2, -1), image, cut)
    np.testing.assert_allclose(plain, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("length", "size", "reach", "multiple", "factor"),
    [(1000, 100, 20, 4, 1), (99, 60, 10, 3, 4), (60, 60, 40, 4, 1), (61, 60, 5, 1, 1)],
)
def test_weights_of_tiles(length, size, reach, multiple, factor):
    starts, weights = cover(
        length, size=size, reach=reach, multiple=multiple, factor=factor
    )
    assert (starts % multiple == 0).all()
    total = np.zeros(length * factor)
    for start, each in zip(starts, weights, strict=True):
        total[start * factor : (start + size) * factor] += each
    np.testing.assert_allclose(total, 1, atol=1e-6)
    assert (weights >= 0).all()
    # No jump: what two tiles differ by comes in over sixteen input pixels.
    assert np.abs(np.diff(weights, axis=1)).max() <= 2 / (16 * factor)
    assert (weights[1:, : reach * factor] == 0).all()
    assert (weights[:-1, size * factor - reach * factor :] == 0).all()


def test_the_network_is_in_the_program_once():
    traced = []

    def restore(tile):
        traced.append(tile.shape)
        return tile

    cut = Tiling((40, 40), 2)
    found = jax.jit(lambda image: restore_in_tiles(restore, image, cut))
    found(images(3, 200, 100))
    assert traced == [(1, 40, 40)]


def test_tiles_differentiate():
    cut = Tiling((40, 40), 2)

    def total(image):
        return restore_in_tiles(jnp.square, image, cut).sum()

    image = images(1, 90, 50)
    np.testing.assert_allclose(jax.grad(total)(image), 2 * image, atol=1e-5)


def test_tiles_that_cannot_overlap():
    with pytest.raises(ValueError, match="tiles of 40 pixels: expected at least 60"):
        cover(100, size=40, reach=20, multiple=4)
    with pytest.raises(ValueError, match="expected multiples of 4"):
        cover(100, size=42, reach=2, multiple=4)


def test_networks_that_look_at_all_of_an_image_have_no_tiles():
    for kind in ("cascade", "unrolled"):
        assert tiling_of(random_restorer(kind).config) is None
    config = random_restorer("srresnet").config
    assert tiling_of(config) is not None
    assert tiling_of(with_section(config, norm="group")) is None
    # A tile is larger than twice what is not believed of it.
    deep = tiling_of(with_section(config, norm="none", num_blocks=300))
    assert deep is not None
    assert deep.size[0] > 4 * deep.reach
