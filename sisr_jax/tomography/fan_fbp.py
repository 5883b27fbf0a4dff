"""Filtered back-projection of fan beams.

Kak & Slaney (1988), "Principles of Computerized Tomographic Imaging", section 3.4:
every view is weighted by the cosine of the fan angle and by how often its rays are
measured, filtered along the detectors, and added to each pixel by linear interpolation
with the inverse square of the pixel's distance from the source (for a flat detector: of
its distance along the central ray).
"""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from sisr_jax.tomography.fan_geometry import FanBeam
from sisr_jax.tomography.fbp import filtered
from sisr_jax.tomography.filters import impulse_response
from sisr_jax.tomography.weights import directions, shares

TURN = 2 * np.pi


def fan_fbp(
    sinogram: Float[Array, "*batch angles detectors"],
    fan: FanBeam,
    *,
    filter_name: str | None = "ramp",
) -> Float[Array, "*batch size size"]:
    """Reconstructs images from fan-beam views.

    Views go all around, or over an arc: rays that an arc measures from both ends are
    weighted by `redundancy`. Of an arc that leaves rays out, the image lacks them.
    Detectors may be displaced, to see a larger image in views that go all around.

    Args:
        sinogram: Line integrals (of what is measured per mm, without unit).
        fan: The rays.
        filter_name: See `fbp`; None back-projects the views as they are.

    Returns:
        Images, per mm.

    Raises:
        ValueError: If the filter is unknown.
    """
    weights = redundancy(fan) * np.cos(fan.fan_angles) / fan.pitch_at_origin_mm
    weights *= shares(directions(fan.angles, TURN))[:, None]
    views = sinogram * jnp.asarray(weights, sinogram.dtype)
    views, fan = _widened(views, fan)
    if filter_name is not None:
        # Half of it: of the ramp's twice the frequency, see `filters.response`.
        impulse = impulse_response(filter_name, fan.num_detectors) / 2
        if fan.detector == "arc":
            step = np.arange(fan.num_detectors)
            step = step * fan.detector_pitch_mm / fan.source_to_detector_mm
            impulse = impulse / np.sinc(step / np.pi) ** 2
        views = filtered(views, impulse)
    return _back_project_by_distance(views, fan)


def redundancy(fan: FanBeam) -> Float[np.ndarray, "angles detectors"]:
    """Share of every ray among those that measure the same line.

    As `_shares_of_a_turn` has it if the views go all around. Else the weights that rise
    and fall smoothly at the ends of the arc: Parker (1982), "Optimal short scan
    convolution reconstruction for fan-beam CT", Medical Physics 9(2), 254-257, eq. 6,
    for an arc of any length (the surplus over half a turn in the place of the fan's
    width). The two shares of a line add up to 1.
    """
    found = directions(fan.angles, TURN)
    shape = fan.num_angles, fan.num_detectors
    if not found.unmeasured.any():
        return np.broadcast_to(_shares_of_a_turn(fan), shape)
    widest = int(np.argmax(found.gaps))
    arc = TURN - found.gaps[widest]
    start = found.starts[(widest + 1) % len(found.starts)]
    angle = np.mod(found.starts - start, TURN)[found.of_view][:, None]
    surplus, fan_angle = (arc - np.pi) / 2, fan.fan_angles
    rising, falling = surplus - fan_angle, surplus + fan_angle
    first = (rising > 0) & (angle <= 2 * rising)
    last = (falling > 0) & (angle >= arc - 2 * falling)
    quarter = np.pi / 4
    with np.errstate(divide="ignore", invalid="ignore"):
        rise = np.sin(quarter * angle / rising) ** 2
        fall = np.sin(quarter * (arc - angle) / falling) ** 2
    return np.where(first, rise, np.where(last, fall, 1.0))


def _is_displaced(fan: FanBeam) -> bool:
    """Whether one side of the image is seen from the other side of a turn alone."""
    whole = math.asin(min(fan.size * fan.pixel_mm / 2 / fan.source_to_origin_mm, 1.0))
    # A quarter of a detector is a displacement that doubles the sampling.
    is_centred = abs(fan.detector_offset_mm) <= fan.detector_pitch_mm
    return not is_centred and _seen_twice(fan) < whole


def _seen_twice(fan: FanBeam) -> float:
    """Fan angle up to which there are detectors on either side."""
    return float(min(-fan.fan_angles[0], fan.fan_angles[-1]))


def _shares_of_a_turn(fan: FanBeam) -> Float[np.ndarray, " detectors"]:
    """Shares of the rays of one of the views that go all around.

    A half of each, as the view from the other side measures it, too; but detectors
    that are displaced, to see a larger image, do so for those of small fan angles only.
    Their shares rise smoothly, without a step where the detectors end, and all others
    are 1: Wang (2002), "X-ray micro-CT with a displaced detector array", Medical
    Physics 29(7), 1634-1636, with the sine of Parker.
    """
    if not _is_displaced(fan):
        return np.full(fan.num_detectors, 0.5)
    toward, twice = math.copysign(1.0, fan.detector_offset_mm), _seen_twice(fan)
    if twice <= 0:
        return np.ones(fan.num_detectors)
    place = np.clip(toward * fan.fan_angles / twice, -1, 1)
    return np.sin(np.pi / 4 * (1 + place)) ** 2


def _widened(
    views: Float[Array, "*batch angles detectors"], fan: FanBeam
) -> tuple[Float[Array, "*batch angles more"], FanBeam]:
    """Views with zeros where displaced detectors lack the other side.

    What is filtered reaches there, and pixels are there.
    """
    if not _is_displaced(fan):
        return views, fan
    more = math.ceil(2 * abs(fan.detector_offset_mm) / fan.detector_pitch_mm)
    toward = math.copysign(1.0, fan.detector_offset_mm)
    before, behind = (more, 0) if toward > 0 else (0, more)
    views = jnp.pad(views, [(0, 0)] * (views.ndim - 1) + [(before, behind)])
    numbers = {
        field.name: getattr(fan, field.name)
        for field in dataclasses.fields(fan)
        if field.init and not field.name.startswith("_")
    }
    numbers["num_detectors"] += more
    numbers["detector_offset_mm"] -= toward * more * fan.detector_pitch_mm / 2
    return views, FanBeam(**numbers, angles=fan.angles)


def _back_project_by_distance(
    views: Float[Array, "*batch angles detectors"], fan: FanBeam
) -> Float[Array, "*batch size size"]:
    """Adds the views, one after the other: memory is that of a few images."""
    batch = views.shape[:-2]
    # Angle by angle, planes last: a pixel reads its detector of all of them at once.
    moved = views.reshape(math.prod(batch), *views.shape[-2:]).transpose(1, 2, 0)
    middle = (fan.size - 1) / 2
    pixel = (np.arange(fan.size) - middle) * fan.pixel_mm
    x, y = (jnp.asarray(each, views.dtype) for each in (pixel[None], -pixel[:, None]))
    toward = np.stack([np.cos(fan.angles), np.sin(fan.angles)], axis=1)
    add = functools.partial(_add_view, fan, x, y)
    turns = jnp.asarray(toward, views.dtype)
    nothing = jnp.zeros((fan.size, fan.size, moved.shape[-1]), views.dtype)
    # A loop must start with what it goes on with, in its split over devices, too.
    first, _ = add(nothing, (moved[0], turns[0]))
    image, _ = lax.scan(add, first, (moved[1:], turns[1:]))
    return image.transpose(2, 0, 1).reshape(*batch, fan.size, fan.size)


def _add_view(
    fan: FanBeam,
    x: Float[Array, "1 size"],
    y: Float[Array, "size 1"],
    image: Float[Array, "size size planes"],
    view: tuple[Float[Array, "detectors planes"], Float[Array, "2"]],
) -> tuple[Float[Array, "size size planes"], None]:
    values, (cos, sin) = view
    across = x * cos + y * sin
    depth = fan.source_to_origin_mm + x * sin - y * cos
    if fan.detector == "flat":
        u, square = across / depth * fan.source_to_detector_mm, depth**2
    else:
        u = jnp.arctan2(across, depth) * fan.source_to_detector_mm
        square = depth**2 + across**2
    place = (u - fan.detector_offset_mm) / fan.detector_pitch_mm
    place = place + (fan.num_detectors - 1) / 2
    first = jnp.floor(place)
    share = (place - first)[..., None]
    index = first.astype(jnp.int32)
    # Beyond its ends a view is 0.
    values = jnp.pad(values, ((2, 2), (0, 0)))
    index = jnp.clip(index + 2, 0, fan.num_detectors + 2)
    read = (1 - share) * values[index] + share * values[index + 1]
    weight = fan.source_to_origin_mm**2 / square
    return image + weight[..., None] * read, None
