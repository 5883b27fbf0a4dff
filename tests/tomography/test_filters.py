"""Filters of views, and the transform in which they are numbers."""

import numpy as np
import pytest

from sisr_jax.tomography.filters import cosine_transform, saturating_ramp


def test_saturating_ramp():
    frequency = np.array([1e-4, 0.01, 0.4])
    found = saturating_ramp(frequency, np.array([[0.02], [1e6]]))
    # Below saturation a ramp, far above a constant, but for the roll-off.
    expected = [[1e-4, 0.01 / np.sqrt(1.25), 0.02], frequency]
    np.testing.assert_allclose(found / np.sinc(frequency) ** 2, expected, rtol=2e-3)


@pytest.mark.parametrize("num_detectors", [16, 17])
def test_cosine_transform(num_detectors):
    matrix, frequency = cosine_transform(num_detectors)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(num_detectors), atol=1e-12)
    # A row has as many periods as its frequency says.
    position = np.arange(num_detectors) + 0.5
    wave = np.cos(2 * np.pi * frequency[3] * position)
    np.testing.assert_allclose(matrix[3], wave / np.linalg.norm(wave), atol=1e-12)
    assert 0 < frequency[0] < frequency[1]
