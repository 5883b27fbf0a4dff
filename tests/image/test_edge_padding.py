import jax.numpy as jnp
import numpy as np
import pytest

from sisr_jax.image.padding import pad_to_multiple


def test_the_last_row_and_column_go_on():
    image = jnp.arange(30.0).reshape(2, 3, 5, 1)
    padded = np.asarray(pad_to_multiple(image, multiple=4))
    assert padded.shape == (2, 4, 8, 1)
    np.testing.assert_array_equal(padded[:, :3, :5], image)
    np.testing.assert_array_equal(padded[:, 3, :5], image[:, 2])
    np.testing.assert_array_equal(padded[:, :3, 5:], np.repeat(image[:, :, 4:], 3, 2))
    assert pad_to_multiple(image, multiple=1) is image


@pytest.mark.parametrize("multiple", [0, -4])
def test_other_multiples_are_refused(multiple):
    words = f"^multiple = {multiple}: expected at least 1$"
    with pytest.raises(ValueError, match=words):
        pad_to_multiple(jnp.zeros((3, 5, 1)), multiple=multiple)
