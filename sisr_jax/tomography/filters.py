"""Frequency responses of the filters of filtered back-projection.

NumPy in float64, evaluated on the host. Frequencies are cycles per detector.
"""

import numpy as np
from jaxtyping import Array, Float


def padded_length(num_detectors: int) -> int:
    """FFT length of one view: a power of two, at least twice the view and 64.

    Twice, so that the circular convolution does not wrap around.
    """
    return max(64, 1 << (2 * num_detectors - 1).bit_length())


def impulse_response(
    filter_name: str, num_detectors: int
) -> Float[np.ndarray, " detectors"]:
    """What a filter makes of one detector, at that detector and those after it.

    It is symmetric. Convolving a zero-padded view with it equals multiplying its FFT
    with `response`.

    Args:
        filter_name: See `response`.
        num_detectors: Length of a view.

    Raises:
        ValueError: If the name is unknown.
    """
    length = padded_length(num_detectors)
    return np.fft.irfft(response(filter_name, length), length)[:num_detectors]


def response(filter_name: str, length: int) -> Float[np.ndarray, " frequencies"]:
    """Frequency response of a filter for real views of even padded length.

    The ramp is the transform of its band-limited impulse response sampled at
    the detectors, Kak & Slaney (1988), "Principles of Computerized Tomographic
    Imaging", chapter 3, eq. 61, with unit pitch. Its value at frequency 0 is
    then small and positive; a sampled `|f|` would be 0 there and shift the mean
    of the image. It is scaled to `2 |f|`, which `fbp` halves again.

    Args:
        filter_name: `ramp`, or the ramp times a `shepp-logan`, `cosine`,
            `hamming` or `hann` window.
        length: Padded length, see `padded_length`.

    Returns:
        Response at the `length // 2 + 1` frequencies of a real FFT.

    Raises:
        ValueError: If the name is unknown.
    """
    frequency = np.arange(length // 2 + 1) / length
    windows = {
        "ramp": np.ones_like(frequency),
        "shepp-logan": np.sinc(frequency),
        "cosine": np.cos(np.pi * frequency),
        "hamming": _symmetric_window(0.54, length),
        "hann": _symmetric_window(0.5, length),
    }
    if filter_name not in windows:
        raise ValueError(
            f"filter_name = {filter_name!r}: expected one of "
            f"{', '.join(map(repr, windows))} or None"
        )
    return _ramp(length) * windows[filter_name]


def _ramp(length: int) -> Float[np.ndarray, " frequencies"]:
    index = np.arange(length)
    distance = np.minimum(index, length - index)
    impulse = np.zeros(length)
    impulse[0] = 0.25
    odd = distance % 2 == 1
    impulse[odd] = -1.0 / (np.pi * distance[odd]) ** 2
    return 2.0 * np.fft.rfft(impulse).real


def _symmetric_window(
    pedestal: float, length: int
) -> Float[np.ndarray, " frequencies"]:
    """Raised cosine as scikit-image has it: the symmetric kind, rolled by half.

    A symmetric window of even length is not symmetric about frequency 0. Only
    the real part of the filtered view is kept, and that equals filtering with
    the mean of the positive and the negative frequency.
    """
    position = 2 * np.pi * np.arange(length) / (length - 1)
    window = np.roll(pedestal - (1 - pedestal) * np.cos(position), -(length // 2))
    positive = np.arange(length // 2 + 1)
    return (window[positive] + window[-positive]) / 2


def cosine_transform(
    num_detectors: int,
) -> tuple[
    Float[np.ndarray, "frequencies detectors"], Float[np.ndarray, " frequencies"]
]:
    """The orthogonal cosine transform of a view (DCT-II) and its frequencies.

    A filter `M^T diag(gain) M` is symmetric, positive where the gains are, and may have
    gains of its own in every view. A view is continued by its mirror image, not by
    zeros; as it ends outside the image, where it reads 0, the two hardly differ.

    Args:
        num_detectors: Length of a view.

    Returns:
        `M`, and the frequency of each of its rows. The first, 0, is given as its share
        of the band, a quarter of a step: the mean of a view must not be filtered out.
    """
    index = np.arange(num_detectors)
    matrix = np.cos(np.pi / num_detectors * np.outer(index, index + 0.5))
    matrix *= np.sqrt(np.where(index == 0, 1, 2) / num_detectors)[:, None]
    return matrix, np.maximum(index, 0.25) / (2 * num_detectors)


def saturating_ramp(
    frequency: Float[np.ndarray, " frequencies"],
    saturation: Float[np.ndarray | Array, "*views 1"],
) -> Float[np.ndarray | Array, "*views frequencies"]:
    """Response `|f| / sqrt(1 + (f / saturation)^2) * sinc(f)^2`.

    A ramp that levels off, and that rolls off like the linear interpolation between
    detectors: near the highest frequency a pixel grid counts twice, `f` and `1 - f`.

    Args:
        frequency: Cycles per detector.
        saturation: Where the ramp levels off, likewise.
    """
    level = (1 + (frequency / saturation) ** 2) ** 0.5
    return frequency * np.sinc(frequency) ** 2 / level
