import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.resize import aligned_columns, half_pixel_columns


def image_of(shape=(2, 3, 6, 1), seed=0):
    return jax.random.uniform(jax.random.key(seed), shape)


def keys_kernel(distance):
    """Keys (1981), eq. 15, with a = -0.5, written out for one number."""
    d = abs(distance)
    if d <= 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    if d < 2:
        return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return 0.0


def cubic_by_hand(row, position):
    last = len(row) - 1
    first = int(np.floor(position)) - 1
    return sum(
        keys_kernel(position - k) * row[min(max(k, 0), last)]
        for k in range(first, first + 4)
    )


@pytest.mark.parametrize(
    ("factor", "offset"), [(1, 0), (2, 0), (2, 1), (3, 1), (4, 0), (4, 3), (16, 5)]
)
@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "lanczos"])
def test_kept_columns_pass_through_unchanged(factor, offset, interpolation):
    image = image_of()
    wide = aligned_columns(
        image, factor=factor, offset=offset, interpolation=interpolation
    )
    assert wide.shape == (2, 3, 6 * factor, 1)
    np.testing.assert_array_equal(wide[:, :, offset::factor], image)


@pytest.mark.parametrize(("factor", "offset"), [(2, 1), (3, 0), (4, 2), (16, 0)])
def test_linear_equals_numpy_interpolation(factor, offset):
    image = image_of()
    wide = aligned_columns(image, factor=factor, offset=offset)
    kept_at = factor * np.arange(6) + offset
    for row, wide_row in zip(
        np.asarray(image).reshape(-1, 6),
        np.asarray(wide).reshape(-1, 6 * factor),
        strict=True,
    ):
        expected = np.interp(np.arange(6 * factor), kept_at, row)
        np.testing.assert_allclose(wide_row, expected, atol=1e-6)


@pytest.mark.parametrize(("factor", "offset"), [(2, 0), (3, 2), (4, 1)])
def test_cubic_equals_the_kernel_summed_by_hand(factor, offset):
    image = image_of((1, 1, 7, 1))
    wide = np.asarray(
        aligned_columns(image, factor=factor, offset=offset, interpolation="cubic")
    )[0, 0, :, 0]
    row = np.asarray(image, np.float64)[0, 0, :, 0]
    expected = [cubic_by_hand(row, (j - offset) / factor) for j in range(7 * factor)]
    np.testing.assert_allclose(wide, expected, atol=1e-6)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("offset", [0, 1, 3])
def test_ramp_is_reproduced_between_inner_columns(interpolation, offset):
    full = jnp.linspace(0.0, 1.0, 32)[None, :, None]
    wide = aligned_columns(
        full[:, offset::4], factor=4, offset=offset, interpolation=interpolation
    )
    # The taps of the outer two columns read beyond the border.
    inner = slice(offset + 4, offset + 4 * 6 + 1)
    np.testing.assert_allclose(wide[:, inner], full[:, inner], atol=1e-6)


def test_cubic_reproduces_a_parabola_that_linear_misses():
    full = jnp.linspace(-1.0, 1.0, 33)[None, :32, None] ** 2
    inner = slice(4, 25)
    cubic = aligned_columns(full[:, ::4], factor=4, interpolation="cubic")
    linear = aligned_columns(full[:, ::4], factor=4, interpolation="linear")
    np.testing.assert_allclose(cubic[:, inner], full[:, inner], atol=1e-6)
    assert jnp.abs(linear - full)[:, inner].max() > 1e-3


def test_nearest_takes_the_left_of_two_as_near():
    full = jnp.arange(12.0)[None, :, None]
    wide = aligned_columns(full[:, 1::4], factor=4, offset=1, interpolation="nearest")
    assert wide[0, :, 0].tolist() == [1, 1, 1, 1, 5, 5, 5, 5, 9, 9, 9, 9]


def test_lanczos_is_the_windowed_sinc():
    image = image_of((1, 1, 12, 1))
    wide = aligned_columns(image, factor=4, interpolation="lanczos")[0, 0, :, 0]
    for column in (22, 25):
        distance = column / 4 - np.arange(12)
        near = np.abs(distance) < 3
        weights = np.where(near, np.sinc(distance) * np.sinc(distance / 3), 0)
        expected = image[0, 0, :, 0] @ (weights / weights.sum())
        np.testing.assert_allclose(wide[column], expected, atol=1e-6)


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "cubic", "lanczos"])
def test_edges_are_replicated(interpolation):
    wide = aligned_columns(image_of(), factor=4, offset=2, interpolation=interpolation)
    image = image_of()
    if interpolation == "linear":
        np.testing.assert_array_equal(wide[:, :, 1], image[:, :, 0])
        np.testing.assert_array_equal(wide[:, :, -1], image[:, :, -1])
    constant = aligned_columns(
        jnp.full((1, 2, 5, 1), 0.7), factor=4, offset=2, interpolation=interpolation
    )
    np.testing.assert_allclose(constant, 0.7, atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 16])
def test_half_pixel_follows_the_half_pixel_convention(factor):
    image = image_of((2, 3, 9, 1))
    expected = jax.image.resize(
        image, (2, 3, 9 * factor, 1), "cubic", precision=jax.lax.Precision.HIGHEST
    )
    np.testing.assert_allclose(
        half_pixel_columns(image, factor=factor), expected, atol=1e-6
    )


@pytest.mark.parametrize("factor", [2, 4, 16])
def test_half_pixel_is_shifted_against_decimated_columns(factor):
    full = jnp.arange(float(12 * factor))[None, :, None]
    wide = half_pixel_columns(full[:, ::factor], factor=factor)
    inner = slice(3 * factor, 9 * factor)
    shift = (wide - full)[:, inner]
    np.testing.assert_allclose(shift, -(factor - 1) / 2, atol=1e-4)


@pytest.mark.parametrize(
    "widen",
    [
        lambda image: aligned_columns(image, factor=1),
        lambda image: aligned_columns(image, factor=1, interpolation="cubic"),
        lambda image: half_pixel_columns(image, factor=1),
    ],
)
def test_factor_one_is_the_identity(widen):
    np.testing.assert_array_equal(widen(image_of()), image_of())


@pytest.mark.parametrize(
    "widen",
    [
        lambda image: aligned_columns(image, factor=4, offset=1, interpolation="cubic"),
        lambda image: half_pixel_columns(image, factor=4),
    ],
)
def test_jit_vmap_and_unbatched_agree(widen):
    image = image_of()
    whole = widen(image)
    np.testing.assert_allclose(jax.jit(widen)(image), whole, atol=1e-6)
    np.testing.assert_allclose(jax.vmap(widen)(image), whole, atol=1e-6)
    np.testing.assert_allclose(widen(image[1]), whole[1], atol=1e-6)


def test_gradient_counts_the_weight_of_every_column():
    gradient = jax.grad(
        lambda x: aligned_columns(x, factor=4, interpolation="linear").sum()
    )(image_of())
    # Offset 0: an inner column weighs 4, the first loses its missing left flank,
    # the last one also stands for the 3 columns after it.
    np.testing.assert_allclose(gradient[0, 0, :, 0], [2.5, 4, 4, 4, 4, 5.5], rtol=1e-6)


def test_bfloat16_keeps_its_type():
    image = image_of().astype(jnp.bfloat16)
    wide = aligned_columns(image, factor=4, interpolation="cubic")
    assert wide.dtype == jnp.bfloat16
    np.testing.assert_array_equal(wide[:, :, ::4], image)


@pytest.mark.parametrize(
    ("factor", "offset", "message"),
    [
        (0, 0, "factor = 0: expected at least 1"),
        (4, 4, "offset = 4: expected 0 <= offset < factor = 4"),
        (4, -1, "offset = -1"),
    ],
)
def test_impossible_arguments_are_named(factor, offset, message):
    with pytest.raises(ValueError, match=message):
        aligned_columns(image_of(), factor=factor, offset=offset)


def test_half_pixel_rejects_factor_zero():
    with pytest.raises(ValueError, match="factor = 0"):
        half_pixel_columns(image_of(), factor=0)


@pytest.mark.parametrize("widen", [aligned_columns, half_pixel_columns])
def test_whole_numbers_are_interpolated_in_float32(widen):
    """As bytes, an overshoot below 0 would be 250, and the others rounded down."""
    levels = np.array([0, 0, 255, 0, 0, 9], np.uint8)[None, :, None]
    options = {"interpolation": "cubic"} if widen is aligned_columns else {}
    found = widen(levels, factor=3, **options)
    assert found.dtype == np.float32
    assert found.min() < 0
    np.testing.assert_array_equal(
        found, widen(levels.astype(np.float32), factor=3, **options)
    )
