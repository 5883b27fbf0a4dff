import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.resize import aligned_columns
from sisr_jax.ultrasound import decimate_columns
from sisr_jax.ultrasound.between_lines import between, cubic_matrix


def test_lines_around_each():
    # Two images with their own lines; one of them keeps neither end.
    kept = jnp.array([[0, 1, 0, 0, 1, 0, 0], [1, 0, 1, 1, 0, 0, 1]], bool)
    places = between(kept)
    np.testing.assert_array_equal(
        places.left, [[1, 1, 1, 1, 4, 4, 4], [0, 0, 2, 3, 3, 3, 6]]
    )
    np.testing.assert_array_equal(
        places.right, [[1, 1, 4, 4, 4, 4, 4], [0, 2, 2, 3, 6, 6, 6]]
    )
    np.testing.assert_array_equal(
        places.outer_left, [[1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 2, 2, 2, 3]]
    )
    np.testing.assert_array_equal(
        places.outer_right, [[4, 4, 4, 4, 4, 4, 4], [2, 3, 3, 6, 6, 6, 6]]
    )


@pytest.mark.parametrize(("factor", "offset"), [(2, 1), (3, 0), (5, 3), (16, 7)])
def test_of_every_so_many_lines_it_is_the_aligned_cubic(factor, offset):
    image = np.random.default_rng(0).random((4, 5 * factor), np.float32)
    lines = decimate_columns(image, factor=factor, offset=offset)
    expected = aligned_columns(
        lines[..., None], factor=factor, offset=offset, interpolation="cubic"
    )
    kept = jnp.arange(image.shape[1]) % factor == offset
    matrix = cubic_matrix(between(kept))
    # What is not kept is not looked at.
    found = jnp.where(kept, image, 0) @ matrix.T
    np.testing.assert_allclose(found, expected[..., 0], atol=1e-6)
    hidden = matrix[:, ~np.asarray(kept)]
    np.testing.assert_array_equal(hidden, 0)


def test_one_line_fills_the_image():
    matrix = cubic_matrix(between(jnp.array([0, 0, 1, 0], bool)))
    np.testing.assert_allclose(matrix, [[0, 0, 1, 0]] * 4, atol=1e-6)
