import jax
import numpy as np
import pytest

from sisr_jax.reconstruction.total_variation import (
    Settings,
    operator_norm,
    total_variation,
)
from sisr_jax.tomography import ParallelBeam, fbp, plan
from sisr_jax.tomography import radon as any_radon

SIZE = 12
BEAM = ParallelBeam(SIZE, 5)


def radon(image, beam):
    return any_radon(image, beam, method="exact")


@pytest.fixture(scope="module")
def matrix():
    """The projection as a dense matrix `[rays, pixels]`."""
    images = np.eye(SIZE**2, dtype=np.float32).reshape(-1, SIZE, SIZE)
    return np.asarray(radon(images, BEAM), np.float64).reshape(SIZE**2, -1).T


@pytest.fixture(scope="module")
def truth():
    image = np.zeros((SIZE, SIZE), np.float32)
    image[3:9, 4:10] = 0.8
    image[5:7, 5:7] = 0.3
    return image


def gradient_matrix():
    step = np.eye(SIZE, k=1) - np.eye(SIZE)
    step[-1] = 0
    return np.stack([np.kron(step, np.eye(SIZE)), np.kron(np.eye(SIZE), step)])


def objective(image, matrix, views, weight):
    gradient = gradient_matrix() @ image.ravel()
    error = (matrix @ image.ravel() - views.ravel()) / np.linalg.norm(matrix, 2)
    return error @ error / 2 + weight * np.hypot(*gradient).sum()


def primal_dual(matrix, views, weight, num_iterations):
    """Chambolle and Pock's algorithm in float64: another way to the same minimum."""
    scaled, target = (a / np.linalg.norm(matrix, 2) for a in (matrix, views.ravel()))
    gradient = gradient_matrix()
    image = ahead = np.zeros(SIZE**2)
    ray, edge = np.zeros(len(scaled)), np.zeros((2, SIZE**2))
    step = 0.99 / np.sqrt(1 + 8)
    ratio = 20.0  # towards the primal: the dual is as small as the weight
    for _ in range(num_iterations):
        ray += step / ratio * (scaled @ ahead - target)
        ray /= 1 + step / ratio
        edge += step / ratio * (gradient @ ahead)
        edge /= np.maximum(1, np.hypot(*edge) / weight)
        back = scaled.T @ ray + gradient[0].T @ edge[0] + gradient[1].T @ edge[1]
        new = np.clip(image - step * ratio * back, 0, 1)
        image, ahead = new, 2 * new - image
    return image.reshape(SIZE, SIZE)


def test_operator_norm(matrix):
    norm = float(operator_norm(BEAM, "exact"))
    assert norm == pytest.approx(np.linalg.norm(matrix, 2), rel=5e-3)


@pytest.mark.parametrize("weight", [1e-3, 1e-2])
def test_reaches_the_minimum_that_another_algorithm_finds(matrix, truth, weight):
    views = np.asarray(radon(truth, BEAM))
    expected = primal_dual(matrix, views, weight, 3000)
    settings = Settings(weight=weight, num_iterations=300, num_inner=15)
    found = np.asarray(total_variation(BEAM, settings, "exact")(views), np.float64)
    best = objective(expected, matrix, views, weight)
    # The solver overestimates the norm by 1 %, which scales the weight by 2 %.
    assert objective(found, matrix, views, weight) == pytest.approx(best, rel=5e-3)
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.01


def test_beats_filtered_back_projection_within_the_box(truth):
    views = radon(np.stack([truth, truth.T]), BEAM)
    found = np.asarray(total_variation(BEAM, Settings(1e-3, 60, 10), "exact")(views))
    assert found.shape == (2, SIZE, SIZE)
    assert 0 <= found.min() <= found.max() <= 1
    start = np.clip(fbp(views, BEAM, filter_name="hann"), 0, 1)

    def error(images):
        return np.sqrt(np.mean((images - np.stack([truth, truth.T])) ** 2))

    assert error(found) < 0.3 * error(start)


@pytest.mark.parametrize("settings", [Settings(-1.0), Settings(num_iterations=0)])
def test_bad_settings(settings):
    with pytest.raises(ValueError, match="expected weight >= 0 and at least 1"):
        total_variation(BEAM, settings)


def test_a_planned_beam_may_be_an_argument_of_the_program(truth):
    beam, settings = plan(BEAM), Settings(1e-3, 60, 10)
    views = any_radon(truth, beam)
    solve = jax.jit(lambda beam, views: total_variation(beam, settings)(views))
    found = solve(beam, views)
    exact = total_variation(BEAM, settings, "exact")(radon(truth, BEAM))
    assert np.sqrt(np.mean((found - truth) ** 2)) < 0.05
    np.testing.assert_allclose(found, exact, atol=0.1)
