import numpy as np
import pytest

from sisr_jax.evaluation import panels


@pytest.mark.parametrize(
    ("shape", "panel", "times"),
    [
        ((512, 512), (256, 256), 2),
        ((256, 256), (256, 256), 2),
        ((128, 128), (256, 256), 4),
        ((16, 24), (160, 240), 20),
        ((300, 200), (256, 171), 2),
    ],
)
def test_sizes_in_screen_pixels(shape, panel, times):
    image = np.random.default_rng(0).random(shape)
    box = panels.close_up(image)
    assert panels.panel_shape(shape) == panels.whole(image).shape == panel
    assert panels.magnification(shape) == times
    enlarged = panels.enlarged(image, box)
    assert enlarged.shape == (box.height * times, box.width * times)
    assert all(0 <= p - e < times for p, e in zip(panel, enlarged.shape, strict=True))


def test_shrinking_keeps_the_mean_of_what_falls_into_a_pixel():
    image = np.random.default_rng(0).random((512, 512))
    expected = image.reshape(256, 2, 256, 2).mean((1, 3))
    np.testing.assert_allclose(panels.whole(image), expected)
    uneven = np.random.default_rng(0).random((300, 200))
    assert panels.whole(uneven).mean() == pytest.approx(uneven.mean())


def test_a_close_up_finds_structure_and_not_noise_or_what_a_view_cuts_off():
    generator = np.random.default_rng(0)
    image = np.full((512, 512), 0.5)
    image[:256, :256] += 0.02 * generator.standard_normal((256, 256))  # noise
    image[:, 400:] = 3.0  # beyond the view, with steep edges
    image[:, 400::16] = image[:, 408::16] = -3.0
    image[:, 404:512:16] = -3.0
    rows, columns = np.mgrid[:60, :60]
    image[400:460, 100:160] += 0.3 * np.sin(rows / 5) * np.sin(columns / 5)
    box = panels.close_up(image)
    assert box.top <= 400 < 460 <= box.top + box.height
    assert box.left <= 100 < 160 <= box.left + box.width


def test_columns_get_the_width_of_their_share():
    columns = np.arange(4.0)[None, None].repeat(2, axis=1)
    expected = np.arange(4.0).repeat(3)[None, None].repeat(2, axis=1)
    np.testing.assert_array_equal(panels.widened(columns, 12), expected)
    assert panels.widened(columns, 10)[0, 0].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
