"""Matrices of the shear transform of a beam, made once on the host.

`linogram` derives what they are. The memory for a 512 x 512 image in float32 is
306 MB for 63 views and 1.2 GB for 1000 equispaced ones, where views that mirror
each other share their matrices. Time to plan: about 1 and 4 s on a laptop core.
"""

import dataclasses
import functools
import math
import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from sisr_jax.errors import InputError
from sisr_jax.geometries import recognised_by_nnx
from sisr_jax.tomography.geometry import ParallelBeam
from sisr_jax.tomography.slots import Slopes, layout

# Fields that are part of the structure of a pytree, not of its leaves.
_STATIC = {"static": True}

_TYPES = tuple(map(np.dtype, (jnp.float32, jnp.float64, jnp.bfloat16)))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class ViewGroup:
    """Views that are computed together.

    Arrays, or their shardings or shapes, hence `Any`.

    Attributes:
        along_rows: For each direction of the lines whether they are the rows of the
            image (rays nearer to the vertical) or its columns.
        mirrored: Whether every slope stands for its negative, too.
        shear_cos: `cos(frequency * slope * line)`, `[frequencies, lines, slopes]`,
            lines at 0, 1, ... from the centre.
        shear_sin: The sines.
        transposed_shear_cos: The same numbers as `shear_cos`, `[frequencies, slopes,
            lines]`, for back-projection: a product that runs across the rows of a large
            matrix takes several times as long.
        transposed_shear_sin: The sines.
        detect_cos: `cos(frequency * detector / scale)`, `[slopes, detectors,
            frequencies]`, detectors at 0, 1, ... from the centre.
        detect_sin: The sines.
        projection_gain: Weight of every frequency in a projection, `[frequencies,
            slopes]`.
        pixel_driven_gain: The same in the back-projection of `fbp`.
    """

    along_rows: tuple[bool, ...] = dataclasses.field(metadata=_STATIC)
    mirrored: bool = dataclasses.field(metadata=_STATIC)
    shear_cos: Any
    shear_sin: Any
    transposed_shear_cos: Any
    transposed_shear_sin: Any
    detect_cos: Any
    detect_sin: Any
    projection_gain: Any
    pixel_driven_gain: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class PlannedBeam:
    """A beam and its matrices: a pytree, so that it can be an argument of `jit`.

    Every operator takes one in the place of the beam. Passed as an argument, the
    matrices are inputs of the compiled program; a beam that is closed over
    instead puts a copy of them into each program. To split the matrices over
    devices, `jax.device_put` the plan with the sharding of `plan_sharding`.
    The matrices are constants to differentiation.

    Attributes:
        beam: The rays.
        dft_basis: Cosines and sines that turn the pixels of a line into its spectrum,
            `[2, quarter + 1, half]`: the first quarter of the frequencies, from which
            the others follow, and offsets 0, 1, ... from the centre.
        groups: The matrices of the views.

    Examples:
        >>> import jax
        >>> import numpy as np
        >>> from sisr_jax.tomography import ParallelBeam, plan, radon
        >>> planned = plan(ParallelBeam(size=16, num_angles=24))
        >>> type(planned).__name__, planned.beam.num_angles
        ('PlannedBeam', 24)
        >>> jax.jit(radon)(np.ones((16, 16)), planned).shape
        (24, 23)
    """

    beam: ParallelBeam = dataclasses.field(metadata=_STATIC)
    dft_basis: Any
    groups: tuple[ViewGroup, ...]

    def __new__(cls, *_: Any, **__: Any) -> "PlannedBeam":  # noqa: D102  # nothing to call
        recognised_by_nnx(cls)
        return super().__new__(cls)


def plan(
    beam: ParallelBeam, *, dtype: jax.typing.DTypeLike = jnp.float32
) -> PlannedBeam:
    """Computes the matrices of a beam; the last four plans are kept.

    Args:
        beam: The rays.
        dtype: `float32`, `float64` (where jax has it enabled) or `bfloat16`, which
            halves the memory and costs accuracy: the relative error of a
            sinogram is then near 2e-3. The result of an operator has the type of
            the values that it is given, whatever that of the plan.

    Raises:
        ValueError: If the type is another, or jax has not enabled it.
        InputError: If the matrices are larger than the machine's memory.

    Examples:
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from sisr_jax.tomography import ParallelBeam, plan, radon
        >>> beam, image = ParallelBeam(size=16, num_angles=24), np.ones((16, 16))
        >>> expected = radon(image, plan(beam))
        >>> error = radon(image, plan(beam, dtype=jnp.bfloat16)) - expected
        >>> bool(np.linalg.norm(error) < 0.005 * np.linalg.norm(expected))
        True
    """
    wanted = np.dtype(dtype)
    if wanted not in _TYPES or wanted != jax.dtypes.canonicalize_dtype(wanted):
        raise ValueError(
            f"dtype = {wanted}: expected float32, bfloat16 or, with jax_enable_x64, "
            "float64"
        )
    return _plan(beam, wanted)


@functools.lru_cache(maxsize=4)
def _plan(beam: ParallelBeam, dtype: np.dtype) -> PlannedBeam:
    # The system would kill the process before it can say anything.
    if (needed := dtype.itemsize * plan_size(beam)) > (memory := _memory_bytes()):
        raise InputError(
            f"size = {beam.size}, views = {beam.num_angles}: {needed / 2**30:.1f} GB "
            "of matrices, expected at most what the machine has, "
            f"{memory / 2**30:.1f} GB"
        )
    frequency = frequencies(beam.size)
    build = functools.partial(_view_group, beam, frequency, dtype)
    # The plan outlives the trace that asks for it first.
    with jax.ensure_compile_time_eval():
        return PlannedBeam(
            beam, _dft_basis(beam.size, dtype), tuple(map(build, layout(beam).groups))
        )


def plan_size(beam: ParallelBeam) -> int:
    """Numbers in the matrices of `plan(beam)`; float32 ones have four bytes each.

    Args:
        beam: The rays.
    """
    lines, detectors = beam.size // 2 + 1, beam.num_detectors // 2 + 1
    # Two shears and their transposes, two of the detectors, two gains.
    each = len(frequencies(beam.size)) * (4 * lines + 2 * detectors + 2)
    slopes = sum(len(group.slope) for group in layout(beam).groups)
    return slopes * each + 2 * (quarter_of(beam.size) + 1) * lines


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def plan_sharding(
    planned: PlannedBeam, mesh: jax.sharding.Mesh, axis: str
) -> PlannedBeam:
    """Shardings that split the matrices by frequency over one axis of a mesh.

    The number of frequencies is a multiple of 8. A projection then ends with one
    sum over the devices.

    Args:
        planned: The plan.
        mesh: Devices.
        axis: Name of the axis to split over.

    Returns:
        A tree like the plan, for `jax.device_put`.

    Examples:
        >>> import jax
        >>> from sisr_jax.tomography import ParallelBeam, plan, plan_sharding
        >>> planned = plan(ParallelBeam(size=16, num_angles=24))
        >>> mesh = jax.make_mesh((1,), ("chips",))
        >>> shardings = plan_sharding(planned, mesh, "chips")
        >>> split = jax.device_put(planned, shardings)
        >>> split.groups[0].shear_cos.sharding.spec[0]
        'chips'
    """

    def over(*names: str | None) -> jax.sharding.NamedSharding:
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*names))

    shear, detect = over(axis), over(None, None, axis)
    names = ("shear_cos", "shear_sin", "transposed_shear_cos", "transposed_shear_sin")
    fields = {name: shear for name in names}
    fields |= {name: detect for name in ("detect_cos", "detect_sin")}
    fields |= {name: shear for name in ("projection_gain", "pixel_driven_gain")}
    return dataclasses.replace(
        planned,
        dft_basis=over(),
        groups=tuple(dataclasses.replace(g, **fields) for g in planned.groups),
    )


def quarter_of(size: int) -> int:
    """Number of frequencies in half the band of the pixels.

    A sheared line is up to twice as long as the image is wide; the period, four
    quarters, leaves it room. A multiple of 8, so that devices can share.
    """
    return 8 * math.ceil((size + 1) / 16)


def frequencies(size: int) -> Float[np.ndarray, " frequencies"]:
    """Frequencies along a line, in radians per pixel, in the order of the spectra.

    They reach 1.28 times the band of the pixels: interpolation between pixels
    has images of the band, and steep rays resolve them.
    """
    quarter = quarter_of(size)
    steps = (
        np.arange(quarter + 1),
        2 * quarter - np.arange(quarter),
        2 * quarter + np.arange(1, num_beyond(size)),
    )
    return np.pi / (2 * quarter) * np.concatenate(steps)


def num_beyond(size: int) -> int:
    """One more than the frequencies above the band of the pixels."""
    return 8 * math.ceil(0.57 * quarter_of(size) / 8)


def _dft_basis(
    size: int, dtype: jax.typing.DTypeLike
) -> Float[Array, "2 quarter_and_1 half"]:
    offset = np.arange(size // 2 + 1)
    phase = np.outer(frequencies(size)[: quarter_of(size) + 1], offset)
    # Small enough to stay in single precision when the large matrices do not.
    dtype = jnp.promote_types(dtype, jnp.float32)
    return jnp.asarray(np.stack([np.cos(phase), np.sin(phase)]), dtype)


def _view_group(
    beam: ParallelBeam,
    frequency: Float[np.ndarray, " frequencies"],
    dtype: np.dtype,
    views: Slopes,
) -> ViewGroup:
    line = np.arange(beam.size // 2 + 1)
    detector = np.arange(beam.num_detectors // 2 + 1)
    shear = [np.outer(line, views.slope * f) for f in frequency]
    detect = [np.outer(detector, frequency / scale) for scale in views.scale]
    projection_gain, pixel_driven_gain = _gains(beam.size, frequency, views)
    single = jnp.promote_types(dtype, jnp.float32)

    def table(phases: list[np.ndarray], function: np.ufunc) -> np.ndarray:
        return np.stack([function(phase).astype(dtype) for phase in phases])

    shear_cos, shear_sin = (table(shear, function) for function in (np.cos, np.sin))
    return ViewGroup(
        along_rows=views.along_rows,
        mirrored=views.mirrored,
        shear_cos=jnp.asarray(shear_cos),
        shear_sin=jnp.asarray(shear_sin),
        transposed_shear_cos=jnp.asarray(shear_cos.swapaxes(1, 2)),
        transposed_shear_sin=jnp.asarray(shear_sin.swapaxes(1, 2)),
        detect_cos=jnp.asarray(table(detect, np.cos)),
        detect_sin=jnp.asarray(table(detect, np.sin)),
        projection_gain=jnp.asarray(projection_gain, single),
        pixel_driven_gain=jnp.asarray(pixel_driven_gain, single),
    )


def _gains(
    size: int, frequency: Float[np.ndarray, " frequencies"], views: Slopes
) -> tuple[
    Float[np.ndarray, "frequencies slopes"], Float[np.ndarray, "frequencies slopes"]
]:
    """Weights of the Fourier series, and what a pixel and a detector blur.

    See the section on responses in the docstring of `linogram`.
    """
    along = frequency[:, None]
    series = np.where(along == 0, 1, 2) / (4 * quarter_of(size) * views.scale)
    pixel = np.sinc(along / (2 * np.pi)) * np.sinc(along * views.slope / (2 * np.pi))
    across_rays = along / views.scale
    linear = np.sinc(across_rays / (2 * np.pi)) ** 2
    return series * pixel, series * linear * np.exp(-(across_rays**2) / 32)
