"""Ten ellipses that look like a head, as an image and as exact line integrals.

Modified Shepp-Logan phantom: Toft, P. (1996), "The Radon Transform", table B.3.
Lengths are in pixels from the rotation centre, `x` to the right and `y` upwards.
A projection at angle `t` and detector offset `s` is the integral along
`x cos t + y sin t = s`.
"""

import numpy as np

# Value, half axes, centre (the image spans -1 to 1), tilt in degrees.
ELLIPSES = (
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)


def rasterise(size: int, centre: float, supersampling: int = 8) -> np.ndarray:
    """Mean of the phantom over every pixel, float64 `[size, size]`.

    Args:
        size: Side of the image.
        centre: Index, along both axes, of the point the phantom is centred on.
        supersampling: Points per pixel side.
    """
    step = (np.arange(supersampling) + 0.5) / supersampling - 0.5
    fine = (np.arange(size)[:, None] + step - centre).ravel() * 2 / size
    x, y = fine[None], -fine[:, None]
    total = np.zeros((fine.size, fine.size))
    for value, a, b, x0, y0, tilt in ELLIPSES:
        cos, sin = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
        along = ((x - x0) * cos + (y - y0) * sin) / a
        across = ((y - y0) * cos - (x - x0) * sin) / b
        total += value * (along**2 + across**2 <= 1)
    blocks = total.reshape(size, supersampling, size, supersampling)
    return blocks.mean((1, 3))


def project(
    size: int, angles: np.ndarray, offsets: np.ndarray, width: float = 0.0
) -> np.ndarray:
    """Line integrals in pixels, `[angles, offsets]`.

    Args:
        size: Side of the image, which sets the scale.
        angles: Radians.
        offsets: Detector positions in pixels from the rotation centre.
        width: Width of the bins to average over, in pixels; 0 is a point.
    """
    t = angles[:, None]
    s, half = offsets * 2 / size, width / size
    total = np.zeros((len(t), len(s)))
    for value, a, b, x0, y0, tilt in ELLIPSES:
        turned = t - np.deg2rad(tilt)
        radius = np.hypot(a * np.cos(turned), b * np.sin(turned))
        offset = (s - x0 * np.cos(t) - y0 * np.sin(t)) / radius
        if half:
            edge = half / radius
            between = _area(offset + edge) - _area(offset - edge)
            total += value * a * b * between / (2 * half)
        else:
            chord = np.sqrt(np.maximum(1 - offset**2, 0))
            total += value * 2 * a * b * chord / radius
    return total * size / 2


def _area(offset: np.ndarray) -> np.ndarray:
    """Area of the unit disc to the left of a line, but for a constant."""
    u = np.clip(offset, -1, 1)
    return u * np.sqrt(1 - u**2) + np.arcsin(u)
