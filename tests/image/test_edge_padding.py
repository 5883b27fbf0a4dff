import jax.numpy as jnp
import numpy as np

from sisr_jax.image.padding import pad_to_multiple


def test_the_last_row_and_column_go_on():
    image = jnp.arange(30.0).reshape(2, 3, 5, 1)
    padded = np.asarray(pad_to_multiple(image, multiple=4))
    assert padded.shape == (2, 4, 8, 1)
    np.testing.assert_array_equal(padded[:, :3, :5], image)
    np.testing.assert_array_equal(padded[:, 3, :5], image[:, 2])
    np.testing.assert_array_equal(padded[:, :3, 5:], np.repeat(image[:, :, 4:], 3, 2))
    assert pad_to_multiple(image, multiple=1) is image
