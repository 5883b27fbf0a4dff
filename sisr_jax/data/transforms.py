"""From physical units to the fixed range [0, 1], and to a static shape.

NumPy only. The one affine map of a run is `config.data.window`; no image is ever
scaled by its own minimum and maximum.
"""

from collections.abc import Sequence

import numpy as np

from sisr_jax.errors import InputError


def to_unit_range(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Maps the window onto [0, 1] and clips what lies outside.

    Args:
        image: Physical values (HU, display levels), any shape.
        window: Physical values that become 0 and 1.

    Returns:
        float32 of the same shape, in [0, 1].

    Raises:
        InputError: If the window is empty.
    """
    low, high = window
    if not low < high:
        raise InputError(f"window = {window}: expected low < high")
    scaled = (image.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.clip(scaled, 0, 1)


def from_unit_range(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """The inverse of `to_unit_range` within the window.

    Args:
        image: Values in [0, 1], any shape.
        window: Physical values that 0 and 1 stand for.

    Returns:
        float32 of the same shape.
    """
    low, high = window
    return np.asarray(low + (high - low) * np.asarray(image, np.float64), np.float32)


def check_fit(
    size: Sequence[int], wanted: Sequence[int], *, fit: str, name: str
) -> None:
    """Refuses an image whose size cannot become the wanted one.

    Args:
        size: Shape of the image.
        wanted: Height and width, `config.data.shape`.
        fit: `exact`: the sizes are equal; `crop`: neither side is smaller.
        name: What the message calls the image.

    Raises:
        InputError: If it does not fit.
    """
    exact = fit == "exact"
    if exact and tuple(size) == tuple(wanted):
        return
    if not exact and len(size) == 2 and size[0] >= wanted[0] and size[1] >= wanted[1]:
        return
    raise InputError(
        f"{name} is {size_text(size)}, expected {'' if exact else 'at least '}"
        f"{size_text(wanted)} (config.data.shape, config.data.fit = {fit!r})"
    )


def size_text(size: Sequence[int]) -> str:
    """A size as people write it, `512x512` (height first)."""
    return "x".join(str(n) for n in size)


def check_finite(image: np.ndarray, *, name: str) -> None:
    """Refuses NaN and infinities, naming the image.

    Args:
        image: Physical values.
        name: What the message calls the image.

    Raises:
        InputError: If a value is not finite.
    """
    bad = image.size - int(np.count_nonzero(np.isfinite(image)))
    if bad:
        raise InputError(f"{name}: {bad} of {image.size} pixels are NaN or infinite")


def is_constant(image: np.ndarray) -> bool:
    """Whether an image has no content: all of its pixels are equal.

    Args:
        image: Values in [0, 1], after the window.
    """
    return bool(image.min() == image.max())


def clipped_share(image: np.ndarray, window: tuple[float, float]) -> float:
    """Share of pixels that the window clips.

    Values up to 2 % of its width outside do not count: the noise of air lies around
    the end of many windows of CT.

    Args:
        image: Physical values.
        window: Physical values that become 0 and 1.
    """
    low, high = window
    margin = 0.02 * (high - low)
    outside = (image < low - margin) | (image > high + margin)
    return float(np.count_nonzero(outside) / image.size)


def filled_share(image: np.ndarray, window: tuple[float, float]) -> float:
    """Share of the window between the smallest and the largest value of an image.

    Args:
        image: Physical values.
        window: Physical values that become 0 and 1.
    """
    low, high = np.clip([image.min(), image.max()], *window)
    return float((high - low) / (window[1] - window[0]))


def central_crop(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The middle of an image; an odd surplus leaves one more row at the end.

    Args:
        image: `[height, width]`, at least as large as `shape`.
        shape: Height and width to keep.

    Returns:
        A view `[*shape]`.

    Raises:
        InputError: If the image is smaller than `shape`.
    """
    rows, columns = _surplus(image, shape)
    return _window(image, (rows // 2, columns // 2), shape)


def random_crop(
    image: np.ndarray, shape: tuple[int, int], *, rng: np.random.Generator
) -> np.ndarray:
    """A window of the image, every position equally likely.

    Args:
        image: `[height, width]`, at least as large as `shape`.
        shape: Height and width to keep.
        rng: Draws the position; two integers are consumed for any sizes.

    Returns:
        A view `[*shape]`.

    Raises:
        InputError: If the image is smaller than `shape`.
    """
    rows, columns = _surplus(image, shape)
    top, left = rng.integers(0, [rows + 1, columns + 1])
    return _window(image, (int(top), int(left)), shape)


def _surplus(image: np.ndarray, shape: tuple[int, int]) -> tuple[int, int]:
    rows, columns = image.shape[0] - shape[0], image.shape[1] - shape[1]
    if image.ndim != 2 or rows < 0 or columns < 0:
        raise InputError(
            f"image of shape {image.shape} is smaller than the crop {tuple(shape)}"
        )
    return rows, columns


def _window(
    image: np.ndarray, corner: tuple[int, int], shape: tuple[int, int]
) -> np.ndarray:
    top, left = corner
    return image[top : top + shape[0], left : left + shape[1]]
