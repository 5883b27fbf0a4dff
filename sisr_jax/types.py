"""Array aliases and the values that travel between rooms.

Axes: images are channels-last, `[*batch, height, width, channels]`, with one
channel. Height is depth (axial) in ultrasound, width is the lateral axis, so
columns are scan lines. The pure physics in `tomography` and `ultrasound` works
on bare planes `[*batch, height, width]`.

Range: inside the package an image is float32 in [0, 1] of one fixed physical
window (HU for CT, display levels for ultrasound), the same affine map for the
high-resolution, degraded and super-resolved image. Nothing is ever scaled by
its own minimum and maximum.
"""

from typing import Any, NamedTuple

from jaxtyping import Array, Float
from jaxtyping import Key as TypedKey

Key = TypedKey[Array, ""]
# One key, or one for each image of a batch.
Keys = TypedKey[Array, "*keys"]
Image = Float[Array, "*batch height width channels"]
# Ultrasound loses columns, so the degraded width is its own.
DegradedImage = Float[Array, "*batch height degraded_width channels"]
Plane = Float[Array, "*batch height width"]
SquarePlane = Float[Array, "*batch size size"]
Sinogram = Float[Array, "*batch angles detectors"]


class Batch(NamedTuple):
    """One batch of high-resolution images: all that crosses to the device.

    Fields hold NumPy arrays on the host and JAX arrays on the device, hence
    `Any`; a batch of specifications or shardings has the same structure.

    Attributes:
        hr: float32 `[batch, height, width, 1]` in [0, 1].
        mask: bool `[batch]`; False marks padding of the last evaluation batch.
        index: int32 `[batch]`; training: position in the shuffled stream,
            evaluation: position in the split. Keys of per-example randomness
            are folded from it, so they do not depend on the batch size or on
            the number of devices.
    """

    hr: Any
    mask: Any
    index: Any


class Pair(NamedTuple):
    """A high-resolution image and what the degraded acquisition shows of it.

    Attributes:
        hr: `[batch, height, width, 1]`.
        degraded: same shape for CT; `[batch, height, width // factor, 1]` for
            ultrasound.
    """

    hr: Image
    degraded: DegradedImage
