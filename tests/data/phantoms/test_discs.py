import numpy as np
import pytest

from sisr_jax.data.phantoms.discs import Disc, draw_discs


@pytest.mark.parametrize(
    ("row", "column", "radius"), [(30, 31, 20.0), (25.3, 38.7, 7.5)]
)
def test_a_disc_has_its_area_and_place(row, column, radius):
    share = (draw_discs(64, [Disc(row, column, radius, 500.0)]) + 1000) / 1500
    assert share.sum() == pytest.approx(np.pi * radius**2, rel=2e-3)
    rows, columns = np.mgrid[:64, :64]
    assert (share * rows).sum() / share.sum() == pytest.approx(row, abs=0.02)
    assert (share * columns).sum() / share.sum() == pytest.approx(column, abs=0.02)
    assert set(
        np.unique(share[np.hypot(rows - row, columns - column) < radius - 1])
    ) == {1}


def test_the_last_disc_is_on_top():
    lower, upper = Disc(16, 16, 12.0, 0.0), Disc(16, 20, 5.0, 300.0)
    image = draw_discs(32, [lower, upper])
    assert (image[0, 0], image[16, 8], image[16, 20]) == (-1000, 0, 300)
    assert draw_discs(32, [upper, lower])[16, 20] == 0
    assert image.dtype == np.float32


def test_the_inside_of_a_disc():
    disc = Disc(16, 15, 6.0, 0.0)
    assert disc.mask(32).sum() == 113
    inner = disc.mask(32, share=0.5)
    assert inner.sum() == 29
    assert (draw_discs(32, [disc])[inner] == 0).all()
