"""Missing columns by sparsity in wavelets: iterated thresholding, no training.

The image whose wavelets are few among those that have the kept columns, by thresholds
that fall as it goes on (Elad et al., Appl. Comput. Harmon. Anal. 19(3), 2005). Each
iteration moves the grid of the wavelets by another shift, so that no place of it is
preferred (Coifman and Donoho 1995). Needs PyWavelets (`pip install PyWavelets`).
"""

import numpy as np
import pywt

WAVELET = "sym8"
LEVELS = 4
ITERATIONS = 100
# Of thresholds, the last of a run by the first.
FALL = 0.01


def fill_in(start: np.ndarray, kept: np.ndarray, first: float) -> np.ndarray:
    """Fills in columns of images.

    Args:
        start: Images `[batch, height, width]` to begin with, in [0, 1]; kept columns
            are those of the measurement.
        kept: Which columns are, bool `[width]`.
        first: The largest threshold, in the unit of the images.

    Returns:
        Images, not clipped.
    """
    rng = np.random.default_rng(0)
    image = start
    for threshold in np.geomspace(first, FALL * first, ITERATIONS):
        shift = tuple(rng.integers(2**LEVELS, size=2).tolist())
        moved = np.roll(image, shift, (1, 2))
        coarse, *details = pywt.wavedec2(moved, WAVELET, "symmetric", LEVELS)
        details = [
            tuple(pywt.threshold(each, threshold, "soft") for each in level)
            for level in details
        ]
        moved = pywt.waverec2([coarse, *details], WAVELET, "symmetric")
        moved = moved[:, : image.shape[1], : image.shape[2]]
        found = np.roll(moved, [-each for each in shift], (1, 2))
        image = np.where(kept, start, found)
    return image
