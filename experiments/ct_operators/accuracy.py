"""How far sinograms and reconstructions are from the truth and from scikit-image."""

import itertools
import pathlib

import numpy as np
import phantom
from PIL import Image

RADIUS = 250  # pixels around the rotation centre where reconstructions are compared


def sinogram_errors(
    sinogram: np.ndarray, angles: np.ndarray, *, size: int, centre: float, pitch: float
) -> dict[str, float | str]:
    """Relative L2 distance to the analytic sinogram, at points and over the bins.

    Nobody is charged for a convention: of both signs of the angle, quarter turns
    and shifts by half a pixel, the one that fits best counts.

    Args:
        sinogram: `[angle, detector]`.
        angles: Radians.
        size: Side of the image.
        centre: Pixel index of the rotation centre: whole, or half when it is the
            middle of an even image.
        pitch: Detector pitch in pixels.
    """
    count = sinogram.shape[1]
    axis = count // 2 if centre == size // 2 else (count - 1) / 2
    offsets = (np.arange(count) - axis) * pitch

    def distance(sign, turn, shift, width=0.0):
        turned = sign * angles + np.deg2rad(turn)
        exact = phantom.project(size, turned, offsets + shift, width)
        return relative(sinogram, exact)

    conventions = itertools.product((1, -1), (0, 90, 180, 270), (0.0, -0.5, 0.5))
    best = min(conventions, key=lambda convention: distance(*convention))
    return {
        "point": distance(*best),
        "bin": distance(*best, pitch),
        "convention": f"{best[0]:+d} theta {best[1]:+d} deg {best[2]:+.1f} px",
    }


def phantom_psnr(image: np.ndarray, truth: np.ndarray, centre: float) -> float:
    """PSNR in dB, peak 1, within `RADIUS` of the rotation centre."""
    offset = np.arange(len(truth)) - centre
    inside = np.hypot(offset, offset[:, None]) <= RADIUS
    return psnr(image[inside], truth[inside])


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """In dB, peak 1."""
    return float(-10 * np.log10(np.mean((np.float64(image) - truth) ** 2)))


def relative(values: np.ndarray, truth: np.ndarray) -> float:
    """L2 norm of the difference over that of the truth."""
    return float(np.linalg.norm(values - truth) / np.linalg.norm(truth))


def slices(folder: pathlib.Path, count: int) -> np.ndarray:
    """CT slices, evenly spread over the files; -1000 to 1000 HU become 0 to 1.

    Raises:
        ValueError: If there are too few.
    """
    paths = sorted((folder / "ct").glob("*.png"))
    if len(paths) < count:
        raise ValueError(f"{folder / 'ct'}: {len(paths)} PNG files, expected {count}")
    chosen = np.linspace(0, len(paths) - 1, count).round().astype(int)
    stored = np.stack([np.asarray(Image.open(paths[i])) for i in chosen])
    hounsfield = np.float32(stored) - 32768
    return np.clip((hounsfield + 1000) / 2000, 0, 1)
