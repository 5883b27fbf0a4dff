"""All numbers that are measured of one estimate, for every image of a batch."""

import jax.numpy as jnp
from jax import Array

from sisr_jax.evaluation.protocol import Protocol
from sisr_jax.evaluation.regions import Regions
from sisr_jax.metrics import gcnr, ms_ssim, psnr, rmse, speckle_snr, ssim
from sisr_jax.types import Image

# Five scales of the 11-pixel window (Wang et al. 2003) need this much.
_SMALLEST_FOR_MS_SSIM = 10 * 2**4 + 1

# How tables order the numbers, whichever of them a protocol has.
ORDER = (
    *("psnr", "ssim", "ms_ssim", "rmse", "psnr_mask", "ssim_mask", "rmse_mask"),
    *("psnr_picture", "ssim_picture"),
    *("psnr_soft", "psnr_lung", "psnr_bone"),
    *("psnr_lesions", "ssim_lesions", "rmse_lesions"),
    *("speckle_snr", "speckle_snr_hr", "gcnr", "gcnr_hr", "residual"),
)


def measure(
    protocol: Protocol,
    estimate: Image,
    target: Image,
    mask: Array,
    regions: Regions,
) -> dict[str, Array]:
    """Scores estimates against their targets.

    `psnr` and `ssim` are those of the whole image; `_mask` follows the name of
    a number inside the mask only, `_lesions` inside the lesion boxes. `ms_ssim` is
    left out for images too small for it. `rmse` is in `protocol.rmse_unit`.
    `psnr_soft`, `_lung` and `_bone` are measured after both images are cut to that
    CT window, which is then the data range.

    Where regions are given, there are `gcnr`, and `speckle_snr` of the envelope if the
    protocol is in decibels: it means nothing for grey levels of unknown
    compression. `_hr` follows what the target itself has of these two.

    Args:
        protocol: Sets the data range, the windows and the unit.
        estimate: `[batch, height, width, 1]`, finished as the protocol says.
        target: Same shape.
        mask: bool, same shape; where empty, its numbers are NaN.
        regions: Likewise; those that are None are left out.

    Returns:
        `[batch]` for each name; which names is a function of the protocol and of
        which regions there are.
    """
    values = {
        **_compare(protocol, estimate, target, None, ""),
        **_compare(protocol, estimate, target, mask, "_mask"),
    }
    if min(protocol.shape) >= _SMALLEST_FOR_MS_SSIM:
        values["ms_ssim"] = ms_ssim(estimate, target, data_range=protocol.data_range)
    low, high = protocol.window
    for name, start, end in protocol.windows:
        limits = (start - low) / (high - low), (end - low) / (high - low)
        cut = jnp.clip(estimate, *limits), jnp.clip(target, *limits)
        values[f"psnr_{name}"] = psnr(*cut, data_range=limits[1] - limits[0])
    if regions.lesions is not None:
        values |= _compare(protocol, estimate, target, regions.lesions, "_lesions")
    values |= _of_regions(protocol, estimate, regions, "")
    values |= _of_regions(protocol, target, regions, "_hr")
    return values


def _compare(
    protocol: Protocol, estimate: Image, target: Image, mask: Array | None, suffix: str
) -> dict[str, Array]:
    top = protocol.data_range
    error = rmse(estimate, target, mask=mask) * protocol.rmse_scale
    return {
        f"psnr{suffix}": psnr(estimate, target, data_range=top, mask=mask),
        f"ssim{suffix}": ssim(estimate, target, data_range=top, mask=mask),
        f"rmse{suffix}": error,
    }


def _of_regions(
    protocol: Protocol, image: Image, regions: Regions, suffix: str
) -> dict[str, Array]:
    values = {}
    if regions.speckle is not None and protocol.in_decibels:
        low, high = protocol.window
        envelope = 10 ** ((low + image * (high - low)) / 20)
        values[f"speckle_snr{suffix}"] = speckle_snr(envelope, regions.speckle)
    if regions.inside is not None and regions.outside is not None:
        values[f"gcnr{suffix}"] = gcnr(image, regions.inside, regions.outside)
    return values


def hull(bright: Array) -> Array:
    """Fills an object row by row and column by column: the body, or the fan.

    A pixel belongs to it if it is bright, or has a bright one on either side in
    its row and on either side in its column. Lungs and cysts are inside, the
    air around the body and the black around the fan are not.

    Args:
        bright: bool `[*batch, height, width, 1]`.

    Returns:
        bool, same shape.
    """
    planes = bright.astype(jnp.int32)

    def enclosed(axis: int) -> Array:
        before = jnp.cumsum(planes, axis=axis) > 0
        after = jnp.flip(jnp.cumsum(jnp.flip(planes, axis), axis=axis), axis) > 0
        return before & after

    return enclosed(-3) & enclosed(-2)


def body_mask(protocol: Protocol, hr: Image) -> Array:
    """The mask of a protocol: the hull of what is brighter than its threshold.

    Args:
        protocol: Sets the window and the threshold.
        hr: Original images in [0, 1] of `protocol.window`.

    Returns:
        bool, shape of `hr`.
    """
    low, high = protocol.window
    return hull(hr > (protocol.mask_above - low) / (high - low))
