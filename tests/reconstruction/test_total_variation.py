import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from dense_operator import least_squares

from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.ultrasound import LateralDecimation

SIZE = 12


def gradient_matrix():
    step = np.eye(SIZE, k=1) - np.eye(SIZE)
    step[-1] = 0
    return np.stack([np.kron(step, np.eye(SIZE)), np.kron(np.eye(SIZE), step)])


def objective(image, scaled, target, weight):
    error = scaled @ image.ravel() - target
    variation = np.hypot(*(gradient_matrix() @ image.ravel())).sum()
    return error @ error / 2 + weight * variation


def primal_dual(scaled, target, weight, bounds, num_iterations=10_000):
    """Chambolle and Pock's algorithm in float64: another way to the same minimum."""
    gradient = gradient_matrix()
    image = ahead = np.zeros(SIZE**2)
    ray, edge = np.zeros(len(scaled)), np.zeros((2, SIZE**2))
    step, ratio = 0.99 / 3, 20.0  # the dual is as small as the weight
    for _ in range(num_iterations):
        ray += step / ratio * (scaled @ ahead - target)
        ray /= 1 + step / ratio
        edge += step / ratio * (gradient @ ahead)
        edge /= np.maximum(1, np.hypot(*edge) / weight)
        back = scaled.T @ ray + gradient[0].T @ edge[0] + gradient[1].T @ edge[1]
        new = np.clip(image - step * ratio * back, *bounds)
        image, ahead = new, 2 * new - image
    return image.reshape(SIZE, SIZE)


@pytest.mark.parametrize(
    ("weight", "bounds"), [(1e-3, (0.0, 1.0)), (1e-2, (0.0, 0.6)), (1e-2, None)]
)
def test_reaches_the_minimum_that_another_algorithm_finds(
    dense_ct, truth, weight, bounds
):
    views = dense_ct(truth)
    scaled, root = least_squares(dense_ct)
    target = root @ np.asarray(views).ravel()
    expected = primal_dual(scaled, target, weight, bounds or (-np.inf, np.inf))
    found = total_variation(
        views, dense_ct, weight=weight, num_iterations=1000, bounds=bounds
    )
    found = np.asarray(found, np.float64)
    best = objective(expected, scaled, target, weight)
    assert objective(found, scaled, target, weight) == pytest.approx(best, rel=1e-4)
    assert np.sqrt(np.mean((found - expected) ** 2)) < 2e-3


def test_beats_filtered_back_projection_within_the_box(small_ct, dense_ct, truth):
    images = jnp.stack([truth, truth.T])
    views = small_ct(images)
    found = total_variation(views, small_ct, weight=1e-3)
    assert found.shape == images.shape
    assert 0 <= found.min() <= found.max() <= 1
    start = jnp.clip(small_ct.fbp(views, filter_name="hann"), 0, 1)
    assert jnp.std(found - images) < 0.2 * jnp.std(start - images)
    # From another first image to the same minimum.
    others = total_variation(views, dense_ct, weight=1e-3)
    np.testing.assert_allclose(found, others, atol=0.02)


def test_goes_on_from_an_image_without_falling_weights(dense_ct, truth):
    views = dense_ct(truth)

    def level(image):
        scaled, root = least_squares(dense_ct)
        return objective(np.asarray(image), scaled, root @ views.ravel(), 1e-3)

    options = {"weight": 1e-3, "num_iterations": 10}
    far = total_variation(views, dense_ct, **options, continuation=1.0)
    near = total_variation(views, dense_ct, **options, start=truth, continuation=1.0)
    again = total_variation(views, dense_ct, **options, start=near, continuation=1.0)
    assert level(again) < level(near) < 0.9 * level(far)
    falling = total_variation(views, dense_ct, **options)
    assert not np.allclose(falling, far, atol=1e-3)


def test_jit_and_vmap_and_a_batch_agree(dense_ct, truth):
    views = jnp.stack([dense_ct(truth), dense_ct(truth.T)])

    def solve(y, A):
        return total_variation(y, A, weight=1e-2, num_iterations=30)

    batch = solve(views, dense_ct)
    np.testing.assert_allclose(jax.jit(solve)(views, dense_ct), batch, atol=1e-5)
    each = jax.vmap(solve, (0, None))(views, dense_ct)
    np.testing.assert_allclose(each, batch, atol=1e-5)
    np.testing.assert_allclose(solve(views[1], dense_ct), batch[1], atol=1e-5)


def test_a_weight_for_each_image(dense_ct, truth):
    views = jnp.stack([dense_ct(truth)] * 2)
    weights = jnp.array([1e-2, 1e-3])
    found = total_variation(views, dense_ct, weight=weights, num_iterations=30)
    for image, weight in zip(found, weights, strict=True):
        one = total_variation(views[0], dense_ct, weight=weight, num_iterations=30)
        np.testing.assert_allclose(image, one, atol=1e-5)
    assert jnp.abs(found[0] - found[1]).max() > 0.01


def test_views_that_are_not_measured_do_not_count(truth):
    beam = ParallelBeam(SIZE, 10)
    sampled = jnp.where(jnp.arange(10) % 2 == 0, jnp.pi / 5, 0)
    masked = ParallelBeamCT(beam, sampled=sampled)
    views = np.array(ParallelBeamCT(beam)(truth))
    views[1::2] = 7.0
    kept = ParallelBeamCT(beam.every(2))
    options = {"weight": 1e-2, "num_iterations": 100}
    np.testing.assert_allclose(
        total_variation(views, masked, **options),
        total_variation(views[::2], kept, **options),
        atol=1e-4,
    )


def test_fills_in_columns(truth):
    image = jnp.tile(truth, (1, 2))
    decimation = LateralDecimation(2)
    found = total_variation(
        decimation(image), decimation, weight=1e-3, num_iterations=300
    )
    assert found.shape == image.shape
    np.testing.assert_allclose(found[:, ::2], image[:, ::2], atol=0.02)
    zeros = jnp.linalg.norm(image[:, 1::2])
    assert jnp.linalg.norm((found - image)[:, 1::2]) < 0.7 * zeros


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1.0}, "weight = -1.0: expected at least 0"),
        ({"num_iterations": 0}, "num_iterations = 0: expected at least 1"),
        ({"num_inner": 0}, "num_inner = 0: expected at least 1"),
        ({"continuation": 0.9}, "continuation = 0.9: expected at least 1"),
        ({"bounds": (1.0, 0.0)}, r"bounds = \(1.0, 0.0\): expected \(lower, upper\)"),
    ],
)
def test_bad_options(dense_ct, truth, options, message):
    with pytest.raises(ValueError, match=message):
        total_variation(dense_ct(truth), dense_ct, **({"weight": 0.1} | options))


def test_bad_shapes(small_ct, dense_ct, truth):
    with pytest.raises(ValueError, match=r"sinogram of shape \(3, 17\): expected"):
        total_variation(np.zeros((3, 17), np.float32), small_ct, weight=0.1)
    line = dataclasses.replace(dense_ct, before=(144,))
    with pytest.raises(ValueError, match=r"\(144,\): expected height and width"):
        total_variation(dense_ct(truth), line, weight=0.1)
