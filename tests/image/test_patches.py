import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from sisr_jax.image import patches
from sisr_jax.image.patches import flip_and_rotate, random_crop

ALL = {"horizontal": True, "vertical": True, "rotate": True}
NONE = {"horizontal": False, "vertical": False, "rotate": False}


def keys_of(count, seed=0):
    return jax.vmap(lambda i: jax.random.fold_in(jax.random.key(seed), i))(
        jnp.arange(count)
    )


def numbered(batch, height, width):
    plane = jnp.arange(float(height * width)).reshape(1, height, width, 1)
    return jnp.tile(plane, (batch, 1, 1, 1))


def orientations_of(images):
    return collections.Counter(
        tuple(one.ravel().astype(int)) for one in np.asarray(images)
    )


def as_on_a_tpu(monkeypatch):
    monkeypatch.setattr(
        patches.lax, "platform_dependent", lambda *given, tpu, **_: tpu(*given)
    )


@pytest.fixture(params=["tpu", "other"])
def platform(request, monkeypatch):
    """Cuts as on a TPU, or as elsewhere."""
    if request.param == "tpu":
        as_on_a_tpu(monkeypatch)


def turned(plane, quarter_turns):
    return tuple(np.rot90(plane, quarter_turns).ravel().astype(int))


def test_every_symmetry_of_the_square_is_equally_likely():
    counts = orientations_of(flip_and_rotate(keys_of(800), numbered(800, 3, 3), **ALL))
    plane = np.arange(9.0).reshape(3, 3)
    expected = {turned(p, k) for p in (plane, plane[::-1]) for k in range(4)}
    assert set(counts) == expected
    # 100 expected; 5 standard deviations of a binomial are 47.
    assert all(53 <= count <= 147 for count in counts.values())


def test_rotation_alone_never_mirrors():
    counts = orientations_of(
        flip_and_rotate(keys_of(200), numbered(200, 3, 3), **{**NONE, "rotate": True})
    )
    plane = np.arange(9.0).reshape(3, 3)
    assert set(counts) == {turned(plane, k) for k in range(4)}


@pytest.mark.parametrize(
    ("allowed", "mirror"),
    [("horizontal", np.s_[:, ::-1]), ("vertical", np.s_[::-1])],
)
def test_one_mirror_moves_half_of_the_images(allowed, mirror):
    counts = orientations_of(
        flip_and_rotate(keys_of(200), numbered(200, 2, 3), **{**NONE, allowed: True})
    )
    plane = np.arange(6.0).reshape(2, 3)
    assert set(counts) == {turned(plane, 0), turned(plane[mirror], 0)}
    assert 65 <= counts[turned(plane, 0)] <= 135


def test_nothing_allowed_is_the_identity():
    image = numbered(5, 3, 4)
    np.testing.assert_array_equal(flip_and_rotate(keys_of(5), image, **NONE), image)


def test_rotation_of_a_rectangle_is_refused():
    with pytest.raises(ValueError, match="3 x 4 pixels: only square"):
        flip_and_rotate(keys_of(1), numbered(1, 3, 4), **ALL)


@pytest.mark.usefixtures("platform")
def test_crops_of_a_pair_come_from_the_same_place():
    hr = numbered(50, 6, 7)
    both = jnp.concatenate([hr + 0.25, hr + 0.5], axis=-1)
    first, second = random_crop(keys_of(50), (hr, both), (3, 2))
    assert first.shape == (50, 3, 2, 1)
    np.testing.assert_array_equal(second[..., :1], first + 0.25)
    np.testing.assert_array_equal(second[..., 1:], first + 0.5)


@pytest.mark.usefixtures("platform")
def test_crop_is_a_window_and_reaches_every_place_equally():
    (crops,) = random_crop(keys_of(600), (numbered(600, 4, 5),), (3, 3))
    plane = np.arange(20).reshape(4, 5)
    windows = {
        tuple(plane[row : row + 3, column : column + 3].ravel())
        for row in range(2)
        for column in range(3)
    }
    counts = orientations_of(crops)
    assert set(counts) == windows
    assert all(55 <= count <= 145 for count in counts.values())


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("shape", [(40, 33, 1), (64, 64, 2)])
def test_a_tpu_cuts_the_same_bits(shape, dtype, monkeypatch):
    image = jax.random.normal(jax.random.key(1), (4, *shape)).astype(dtype)
    keys = jax.random.split(jax.random.key(2), (3, 4))

    def cut(keys):
        return jax.vmap(lambda each: random_crop(each, (image,), (17, 21))[0])(keys)

    expected = jax.jit(cut)(keys)
    as_on_a_tpu(monkeypatch)
    found = jax.jit(lambda keys: cut(keys))(keys)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


def test_crop_of_the_whole_image_is_the_identity():
    image = numbered(3, 4, 5)
    np.testing.assert_array_equal(random_crop(keys_of(3), (image,), (4, 5))[0], image)


def augment(keys, image):
    moved = flip_and_rotate(keys, image, **ALL)
    return random_crop(keys, (moved,), (2, 3))[0]


def test_an_example_does_not_depend_on_its_batch():
    keys, image = keys_of(6), numbered(6, 5, 5)
    compiled = jax.jit(augment)
    whole = compiled(keys, image)
    for i in (0, 3, 5):
        alone = compiled(keys[i : i + 1], image[i : i + 1])
        np.testing.assert_array_equal(whole[i : i + 1], alone)


def test_sharding_over_the_batch_changes_nothing_and_moves_nothing():
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    keys, image = keys_of(8), numbered(8, 5, 5)
    sharded = jax.jit(augment, in_shardings=sharding, out_shardings=sharding)
    np.testing.assert_array_equal(sharded(keys, image), jax.jit(augment)(keys, image))
    text = sharded.lower(keys, image).compile().as_text()
    assert not [name for name in ("all-gather", "all-to-all") if name in text]


@pytest.mark.parametrize("size", [(5, 3), (3, 6)])
def test_crop_larger_than_the_image_is_refused(size):
    message = f"4 x 5 pixels is smaller than the crop of {size[0]} x {size[1]}"
    with pytest.raises(ValueError, match=message):
        random_crop(keys_of(1), (numbered(1, 4, 5),), size)


def test_pair_of_unequal_sizes_is_refused():
    with pytest.raises(ValueError, match="expected equal sizes"):
        random_crop(keys_of(1), (numbered(1, 4, 5), numbered(1, 4, 4)), (2, 2))
