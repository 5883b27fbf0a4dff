"""A restorer as a program of its own: StableHLO, with the weights in it.

`jax.export` writes one artifact for CPUs, CUDA and TPUs, whose batch, and height and
width where the network leaves them open, are settled by the call. Another program needs
no part of this package: `jax.export.deserialize(content).call(images)`. JAX reads what
it exported for at least six months, and calls nothing outside of StableHLO here.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

import sisr_jax
from sisr_jax.config import Config
from sisr_jax.data.formats.headers import MAX_PIXELS
from sisr_jax.degradation import modality_of
from sisr_jax.errors import InputError
from sisr_jax.inference.restorer import Restorer
from sisr_jax.inference.trained_for import check_views, config_of
from sisr_jax.metrics import residual
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.tomography.planning import plan_size

PLATFORMS = ("cpu", "cuda", "tpu")
# Some of what is known of every artifact.
ABOUT_KEYS = {"calling_convention_version", "weights_sha256", "platforms"}
# The most that may differ from the network itself, of the range [0, 1].
TOLERANCE = 1e-4
# Half of what the format can hold.
_MAX_BYTES = 2**30
# Batches that are tried.
_BATCHES = (1, 3)


class Export(NamedTuple):
    """A program and what is known of it.

    Attributes:
        content: The artifact, for `jax.export.deserialize`.
        about: Inputs, outputs, geometry and versions, for JSON.
    """

    content: bytes
    about: dict[str, Any]


def export_images(restorer: Restorer, *, size: tuple[int, int] | None) -> Export:
    """Exports a network that looks at the degraded image alone.

    Args:
        restorer: One of `load`.
        size: Height and width of the degraded images; None: any multiples of what the
            network asks for.

    Raises:
        InputError: If the network looks at measurements, needs to know the size and is
            not told, it is too large, or the artifact computes something else.
    """
    config = config_of(restorer)
    if "measurement" in config.generator.sees:
        measures = config.degradation.measures
        if measures != "views":
            raise InputError(
                f"generator.kind = {config.generator.kind!r} looks at the measurement: "
                f"of {measures} such networks are not exported"
            )
        raise InputError(
            f"generator.kind = {config.generator.kind!r} looks at the measurement: "
            "expected a geometry, --size=PIXELS and --views=NUMBER"
        )
    multiple, factor = config.generator.multiple, config.degradation.width_factor
    if size is None:
        if factor > 1:
            raise InputError(
                f"every {factor}th column is interpolated to images of one width: "
                "expected --size=HEIGHT,WIDTH of the degraded images"
            )
        sides = [f"{multiple}*height", f"{multiple}*width"]
        tried = [(2 * multiple, 3 * multiple), (5 * multiple, 4 * multiple)]
    else:
        _check_pixels(*size)
        sides, tried = list(map(str, size)), [size, size]
    shape = export.symbolic_shape(", ".join(["batch", *sides]))

    def program(image: jax.Array) -> jax.Array:
        return restorer.images_at_once(restorer.variables, image)

    random = np.random.default_rng(0)
    examples = [
        random.random((batch, *sides), np.float32)
        for batch, sides in zip(_BATCHES, tried, strict=True)
    ]
    unit = _unit(config)
    given = {"name": "image", "unit": f"{unit}, degraded as in training, not clipped"}
    made = {"name": "image", "unit": unit}
    return _export(restorer, program, shape, examples, restorer, [given], [made])


def export_views(restorer: Restorer, *, size: int, views: int) -> Export:
    """Exports a network that restores slices from views spread evenly over 180 degrees.

    The matrices of the geometry are in the artifact, 0.3 GB for 63 views of 512 x 512.

    Args:
        restorer: One of `load`, for CT.
        size: Height and width of the slices.
        views: Number of views.

    Raises:
        InputError: If the weights are not for so many views, the artifact would be too
            large, or computes something else.
    """
    config = config_of(restorer)
    measures = config.degradation.measures
    if measures != "views":
        raise InputError(f"--views={views}: these weights are for {measures}")
    _check_pixels(size, size)
    check_views(restorer, views)
    beam = ParallelBeam(size, views)
    geometry = 4 * plan_size(beam)
    if geometry > _MAX_BYTES:
        raise InputError(
            f"size = {size}, views = {views}: {geometry / 2**30:.1f} GB of matrices, "
            f"expected at most {_MAX_BYTES / 2**30:g}"
        )
    operator = ParallelBeamCT(beam)

    def program(sinogram: jax.Array) -> tuple[jax.Array, jax.Array]:
        image = restorer.measured_at_once(restorer.variables, sinogram, operator)
        return image, residual(operator(image), sinogram)

    def expected(sinogram: jax.Array) -> tuple[jax.Array, jax.Array]:
        found = restorer(measurement=sinogram, operator=operator)
        return found.image, found.residual

    random = np.random.default_rng(0)
    examples = [np.asarray(operator(_discs(random, batch, size))) for batch in _BATCHES]
    unit = _unit(config)
    given = {"name": "sinogram", "unit": f"integrals along rays in pixels, of {unit}"}
    made = [
        {"name": "image", "unit": unit},
        {"name": "residual", "unit": "||A x - y|| / ||y||"},
    ]
    shape = export.symbolic_shape(f"batch, {views}, {beam.num_detectors}")
    found = _export(restorer, program, shape, examples, expected, [given], made)
    angles = [float(angle) for angle in beam.angles]
    return found._replace(
        about=found.about | {"geometry": {"size": size, "angles_rad": angles}}
    )


def _check_pixels(height: int, width: int) -> None:
    if min(height, width) < 1 or height * width > MAX_PIXELS:
        raise InputError(
            f"size = {height}x{width}: expected 1 to {MAX_PIXELS} pixels in all"
        )


def _export(
    restorer: Restorer,
    program: Callable[[jax.Array], Any],
    shape: Sequence[Any],
    examples: list[np.ndarray],
    expected: Callable[[jax.Array], Any],
    inputs: list[dict[str, str]],
    outputs: list[dict[str, str]],
) -> Export:
    """Exports, reads it back and compares it with the network."""
    with _without_places():
        exported = export.export(jax.jit(program), platforms=PLATFORMS)(
            jax.ShapeDtypeStruct(shape, jnp.float32)
        )
    content = bytes(exported.serialize())
    read = export.deserialize(bytearray(content))
    worst = max(
        float(np.abs(np.asarray(one) - np.asarray(other)).max())
        for example in map(jnp.asarray, examples)
        for one, other in zip(
            *map(jax.tree.leaves, (read.call(example), expected(example))), strict=True
        )
    )
    if not worst <= TOLERANCE:
        raise InputError(
            f"the exported program differs by {worst:.1e} from the network: expected "
            f"at most {TOLERANCE:g}"
        )
    about = {
        "model": restorer.card["name"],
        "weights_sha256": restorer.card.get("sha256", ""),
        "sisr_jax": sisr_jax.__version__,
        "jax": jax.__version__,
        "calling_convention_version": exported.calling_convention_version,
        "platforms": list(exported.platforms),
        "sha256": hashlib.sha256(content).hexdigest(),
        "inputs": _described(inputs, exported.in_avals),
        "outputs": _described(outputs, exported.out_avals),
        "largest_difference": worst,
    }
    return Export(content, about)


@contextlib.contextmanager
def _without_places() -> Iterator[None]:
    """Keeps lines of source files, whose paths name the user, out of programs."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _described(
    named: list[dict[str, str]], arrays: tuple[Any, ...]
) -> list[dict[str, Any]]:
    return [
        {
            **each,
            "shape": [n if isinstance(n, int) else str(n) for n in array.shape],
            "dtype": str(array.dtype),
        }
        for each, array in zip(named, arrays, strict=True)
    ]


def _discs(random: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Images that explain a measurement, which noise alone would not."""
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    inside = rows**2 + columns**2 < (0.4 * size) ** 2
    values = random.uniform(0.4, 0.6, (count, size, size))
    return (inside * values).astype(np.float32)


def _unit(config: Config) -> str:
    low, high = window = config.data.window
    return f"[{low:g}, {high:g}] {modality_of(config).unit(window)} as [0, 1]"
