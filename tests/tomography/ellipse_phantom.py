"""Modified Shepp-Logan head (Toft 1996, table B.3): image and exact projections."""

import numpy as np

# Value, half axes, centre (x right, y up; the image spans -1 to 1), tilt in degrees.
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


def rasterise(size, supersampling=8):
    """Mean of the phantom over every pixel, its centre on pixel `size // 2`."""
    pixel = np.arange(size) - size // 2
    offsets = (np.arange(supersampling) + 0.5) / supersampling - 0.5
    image = np.zeros((size, size))
    for down in offsets:
        y = -(pixel + down)[:, None] * 2 / size
        for right in offsets:
            x = (pixel + right)[None] * 2 / size
            for value, a, b, x0, y0, tilt in ELLIPSES:
                c, s = np.cos(np.deg2rad(tilt)), np.sin(np.deg2rad(tilt))
                along = ((x - x0) * c + (y - y0) * s) / a
                across = ((y - y0) * c - (x - x0) * s) / b
                image += value * (along**2 + across**2 <= 1)
    return image / supersampling**2


def project(size, angles, num_detectors, samples=1):
    """Chord lengths times values, in pixels; `[angles, detectors]`.

    The mean over `samples` rays of every detector, one in its centre by default.
    """
    detector = np.arange(num_detectors) - num_detectors // 2
    rays = detector + ((np.arange(samples) + 0.5) / samples - 0.5)[:, None]
    s = rays[:, None] * 2 / size
    t = np.asarray(angles)[:, None]
    sinogram = np.zeros((samples, len(t), num_detectors))
    for value, a, b, x0, y0, tilt in ELLIPSES:
        turned = t - np.deg2rad(tilt)
        width2 = (a * np.cos(turned)) ** 2 + (b * np.sin(turned)) ** 2
        offset = s - x0 * np.cos(t) - y0 * np.sin(t)
        chord = 2 * a * b * np.sqrt(np.maximum(width2 - offset**2, 0)) / width2
        sinogram += value * chord * size / 2
    return sinogram.mean(0)
