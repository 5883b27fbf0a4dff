"""Procedural B-mode ultrasound: speckle seen through a point-spread function.

Sub-resolution scatterers are a complex Gaussian field whose local strength is an
echogenicity map (layers, cysts, masses, specular interfaces, shadows). The
scanner blurs it with a Gaussian point-spread function, narrow in depth and wider
and depth dependent across the lines; the envelope of the result is Rayleigh
distributed wherever the echogenicity is constant (Wagner et al., "Statistics of
speckle in ultrasound B-scans", IEEE Trans. Sonics Ultrason. 30(3), 1983: mean
over standard deviation 1.91). Rows are depth, columns are scan lines.
"""

import numpy as np

from sisr_jax.data.phantoms.drawing import Canvas, Ellipse
from sisr_jax.errors import InputError

DYNAMIC_RANGE_DB = 60.0
# Echo level, relative to average tissue, that saturates the display.
_HEADROOM_DB = 22.0


def ultrasound_phantom(seed: int, index: int, shape: tuple[int, int]) -> np.ndarray:
    """Draws one random B-mode frame.

    Args:
        seed: Seed of the collection, at least 0.
        index: Which image of the collection, at least 0; the image is a function
            of (seed, index, shape) alone.
        shape: Height (depth) and width (lines), each at least 16.

    Returns:
        float32 `[height, width]` display levels in [0, 255]; 60 dB between the
        ends.

    Raises:
        InputError: If `shape` is too small.

    Examples:
        >>> from sisr_jax.data import ultrasound_phantom
        >>> frame = ultrasound_phantom(seed=0, index=3, shape=(32, 16))
        >>> frame.shape, bool(frame.min() >= 0), bool(frame.max() <= 255)
        ((32, 16), True, True)
    """
    if min(shape) < 16:
        raise InputError(f"shape = {shape}: an ultrasound phantom needs 16x16 or more")
    rng = np.random.default_rng([seed, index])
    diffuse, specular = _anatomy(rng, shape)
    envelope = speckle(rng, diffuse, specular)
    return log_compress(envelope)


def speckle(
    rng: np.random.Generator, diffuse: np.ndarray, specular: np.ndarray
) -> np.ndarray:
    """Envelope of the echo of scatterers seen through a random beam.

    Args:
        rng: Draws the scatterers and the beam (focus and widths).
        diffuse: `[height, width]` amplitude of the unresolved scatterers.
        specular: `[height, width]` amplitude of coherent reflectors.

    Returns:
        float32 `[height, width]`, at least 0; root mean square 1 where `diffuse`
        is 1 and `specular` is 0, at every depth.
    """
    height, width = diffuse.shape
    # Lines beyond both sides, so that the periodic blur does not join the edges.
    pad = 16
    padding = ((pad, pad), (pad, pad))
    full = (height + 2 * pad, width + 2 * pad)
    noise = rng.standard_normal((2, *full), dtype=np.float32) * np.float32(0.5**0.5)
    field = (noise[0] + 1j * noise[1]) * np.pad(diffuse, padding, mode="edge")
    field += np.pad(specular, padding, mode="edge") * np.exp(
        1j * np.float32(rng.uniform(0, 2 * np.pi))
    )

    depth = np.linspace(0, 1, full[0], dtype=np.float32)
    focus, reach = rng.uniform(0.3, 0.8), rng.uniform(0.35, 0.8)
    lateral = rng.uniform(1.1, 1.7) * np.sqrt(1 + np.square((depth - focus) / reach))
    axial = np.full(full[1], rng.uniform(0.6, 0.85), np.float32)
    field = _blur_rows(field, lateral.astype(np.float32))
    field = _blur_rows(field.T, axial).T
    return np.abs(field[pad:-pad, pad:-pad]).astype(np.float32)


def _blur_rows(field: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Gaussian blur of each row by its own sigma (pixels), keeping noise power."""
    f = np.fft.fftfreq(field.shape[1]).astype(np.float32)
    response = np.exp(-2 * np.square(np.pi * sigma[:, None] * f))
    response /= np.sqrt(np.mean(np.square(response), axis=1, keepdims=True))
    return np.fft.ifft(np.fft.fft(field, axis=1) * response, axis=1)


def log_compress(envelope: np.ndarray) -> np.ndarray:
    """Display levels of an envelope: 60 dB onto 0..255, on a fixed reference.

    Args:
        envelope: Echo amplitude; 1 is average tissue.

    Returns:
        float32 levels in [0, 255]; amplitude 1 is level 161.5.
    """
    decibel = 20 * np.log10(np.maximum(envelope, np.float32(1e-6)))
    level = 255 * (1 + (decibel - _HEADROOM_DB) / DYNAMIC_RANGE_DB)
    return np.clip(level, 0, 255).astype(np.float32)


def _anatomy(
    rng: np.random.Generator, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse amplitude (1 is tissue) and specular amplitude."""
    canvas = Canvas(rng, shape=shape, warp=rng.uniform(0.02, 0.08))
    tissue_db = np.full(shape, rng.uniform(-6, 2), np.float32)
    specular = np.zeros(shape, np.float32)
    # Absolute depth, once more warped: layers bend without following the organs.
    wavy = Canvas(rng, shape=shape, warp=rng.uniform(0.02, 0.12)).y
    _add_layers(rng, wavy, tissue_db, specular)
    for _ in range(rng.integers(0, 4)):  # solid masses, brighter or darker
        mass = random_ellipse(rng, 0.08, 0.35)
        change = rng.choice([-9, -6, 6, 9]) + rng.uniform(-2, 2)
        canvas.paint(tissue_db, mass, rng.uniform(-3, 3) + change, edge=3)
    if rng.random() < 0.35:  # a skull or bone cross-section
        ring = random_ellipse(rng, 0.4, 0.7)
        _add_ring(canvas, specular, ring, rng.uniform(3, 9))
        canvas.paint(tissue_db, ring.scaled(0.95), rng.uniform(-14, -4), edge=2)
    for _ in range(rng.integers(1, 5)):  # fluid: no echo, bright walls, gain below
        cyst = random_ellipse(rng, 0.06, 0.24)
        canvas.paint(tissue_db, cyst, -60.0, edge=1.5)
        _add_ring(canvas, specular, cyst.scaled(1.02), rng.uniform(0.5, 2.5))
        tissue_db += beam_below(canvas, cyst, rng.uniform(1, 4))
    for _ in range(rng.integers(0, 3)):  # calcifications and gas: bright, shadowing
        stone = random_ellipse(rng, 0.01, 0.07)
        canvas.paint(specular, stone, rng.uniform(3, 10))
        shadow_db = rng.uniform(-25, -6)
        tissue_db += beam_below(canvas, stone, shadow_db)
        specular *= 10 ** (beam_below(canvas, stone, shadow_db) / 20)
    return np.power(np.float32(10), tissue_db / 20), specular


def random_ellipse(rng: np.random.Generator, low: float, high: float) -> Ellipse:
    """An ellipse anywhere, its longer half axis between two lengths."""
    a = rng.uniform(low, high)
    return Ellipse(
        rng.uniform(-0.8, 0.8),
        rng.uniform(-0.6, 0.8),
        a,
        a * rng.uniform(0.5, 1.0),
        rng.uniform(-0.6, 0.6),
    )


def _add_layers(
    rng: np.random.Generator,
    depth: np.ndarray,
    tissue_db: np.ndarray,
    specular: np.ndarray,
) -> None:
    """Skin, fat and muscle layers from the top; an echo on every interface."""
    pixel = 2 / depth.shape[0]
    top = -1 + rng.uniform(0.01, 0.1)
    for _ in range(rng.integers(2, 6)):
        inside = np.clip((depth - top) / pixel + 0.5, 0, 1)
        tissue_db += inside * np.float32(rng.uniform(-5, 5))
        thickness = max(rng.uniform(0.004, 0.012), 0.7 * pixel)
        line = np.exp(-np.square((depth - top) / np.float32(thickness)))
        specular += (
            line * _uneven(rng, depth.shape[1]) * np.float32(rng.uniform(0.3, 4))
        )
        top += rng.uniform(0.06, 0.4)
    # What the time gain compensation leaves over.
    tissue_db += (depth * np.float32(rng.uniform(-4, 3))).astype(np.float32)


def _uneven(rng: np.random.Generator, width: int) -> np.ndarray:
    """Strength of an interface along the lines: strong, weak, interrupted."""
    knots = np.exp(rng.normal(-0.4, 0.8, 12))
    columns = np.linspace(0, len(knots) - 1, width)
    return np.interp(columns, np.arange(len(knots)), knots).astype(np.float32)


def _add_ring(
    canvas: Canvas, specular: np.ndarray, ellipse: Ellipse, strength: float
) -> None:
    """An interface echoes where it is square to the beam: top and bottom."""
    window = canvas.window(ellipse)
    pixel = 2 / min(canvas.shape)
    inner = ellipse.scaled(max(1 - max(0.03, 1.5 * pixel / ellipse.b), 0.1))
    ring = canvas.coverage(ellipse, window) - canvas.coverage(inner, window)
    across = (canvas.x[window] - np.float32(ellipse.x)) / np.float32(ellipse.a)
    specular[window] += ring * np.exp(-2 * np.square(across)) * np.float32(strength)


def beam_below(canvas: Canvas, ellipse: Ellipse, change_db: float) -> np.ndarray:
    """Gain change in dB of everything in the shadow of an ellipse."""
    pixel = np.float32(2 / canvas.shape[0])
    across = np.square((canvas.x - np.float32(ellipse.x)) / np.float32(ellipse.a))
    below = np.clip((canvas.y - np.float32(ellipse.y)) / pixel, 0, 1)
    return np.float32(change_db) * np.exp(-across * across) * below
