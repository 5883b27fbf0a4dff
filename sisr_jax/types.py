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
# Images, or more channels where more than images is measured, as IQ.
Truth = Float[Array, "*batch height width contents"]
# Ultrasound loses columns, so the degraded width is its own.
DegradedImage = Float[Array, "*batch height degraded_width channels"]
# As images are looked at, which may be another size, too.
Picture = Float[Array, "*batch rows columns channels"]
Plane = Float[Array, "*batch height width"]
SquarePlane = Float[Array, "*batch size size"]
Sinogram = Float[Array, "*batch angles detectors"]


class Batch(NamedTuple):
    """One batch of high-resolution images: all that crosses to the device.

    Fields hold NumPy arrays on the host and JAX arrays on the device, hence
    `Any`; a batch of specifications or shardings has the same structure.

    Attributes:
        hr: float32 `[batch, height, width, 1]` in [0, 1].
        mask: bool `[batch]`; False marks padding of the last evaluation batch, and
            images without content, which cannot be scored.
        index: int32 `[batch]`; training: position in the shuffled stream,
            evaluation: position in the split. Keys of per-example randomness
            are folded from it, so they do not depend on the batch size or on
            the number of devices.
    """

    hr: Any
    mask: Any
    index: Any


class Measurement(NamedTuple):
    """What was measured of a batch of images, and by what.

    Attributes:
        values: `[batch, *operator.range_shape]`; as the operator maps images in [0, 1],
            plus noise.
        operator: The `operators.LinearOperator` that measured.
    """

    values: Any
    operator: Any


class Example(NamedTuple):
    """A batch of high-resolution images, and what a network is given of them.

    Attributes:
        hr: `[batch, height, width, 1]`.
        estimate: The first estimate, `[batch, height, width // width_factor, 1]`.
        measurement: What was measured of these very images; None where they are crops
            of what was measured.
        side: What was measured along with it, see `Degradation.side_information`.
    """

    hr: Image
    estimate: DegradedImage
    measurement: Measurement | None
    side: Any = None

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The arguments of a network.

        Estimate, measured values, operator and, where there is some, side information.
        """
        seen = (self.estimate, *(self.measurement or (None, None)))
        return seen if self.side is None else (*seen, self.side)
