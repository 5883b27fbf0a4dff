"""CT with few views or few photons: project, spoil, back-project."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sisr_jax.degradation.acquisition import Degradation
from sisr_jax.tomography import ParallelBeam, PlannedBeam, fbp, plan, radon
from sisr_jax.tomography.fbp import Weights
from sisr_jax.tomography.noise import (
    attenuation_from_hu,
    hu_from_attenuation,
    low_dose,
)
from sisr_jax.tomography.radon import Method, is_exact, without_plan
from sisr_jax.types import Image, Key, Keys, Sinogram, SquarePlane


@dataclasses.dataclass(frozen=True)
class LowDose:
    """A scan with so few photons that their noise shows; see `tomography.noise`.

    Attributes:
        photons: Photons sent along every ray.
        electronic_noise: Standard deviation of the electronics, in photons.
        pixel_mm: Width of a pixel in mm.
        window: HU that are 0 and 1 in the images. Air below the window attenuates
            like its lower end, so it should start at -1000 HU.
    """

    photons: float
    electronic_noise: float = 0.0
    pixel_mm: float = 0.7
    window: tuple[float, float] = (-1000.0, 1000.0)


def sparse_view_ct(
    beam: ParallelBeam | PlannedBeam,
    *,
    filter_name: str | None = "ramp",
    method: Method = "matmul",
    weights: Weights = "gaps",
    dose: LowDose | None = None,
) -> Degradation:
    """Sparse-view CT: project along the views of `beam`, then back-project.

    Projecting only the kept views equals projecting all and dropping the rest,
    at a fraction of the work: pass `ParallelBeam(...).every(factor)`. A limited arc
    is `ParallelBeam(...).within(first, last)`.

    Args:
        beam: Geometry of the kept views; its size is the image side.
        filter_name: Filter of the back-projection, see `tomography.fbp`.
        method: How lines are integrated and views read, see `tomography.radon`.
        weights: Weights of the views, see `tomography.fbp`.
        dose: Noise of the scan; none by default.

    Returns:
        A function `(key, hr[batch, size, size, 1])` to an image of that shape.
        Streaks leave the range [0, 1]; nothing is clipped. It is a pytree of the
        beam's matrices: passed to `jit` as an argument, it brings them along as
        inputs.
    """
    return _SparseViewCT(
        _planned(beam, method), filter_name, method, weights, dose, None
    )


def random_view_ct(
    beam: ParallelBeam | PlannedBeam,
    fewest: int,
    most: int,
    *,
    filter_name: str | None = "ramp",
    method: Method = "matmul",
    dose: LowDose | None = None,
) -> Degradation:
    """Sparse-view CT with a number of views, and a first view, drawn for each image.

    Views are kept out of those of `beam`, evenly up to the rounding to its angles,
    so one network learns every sampling between `fewest` and `most`. All views of
    the beam are projected and the others masked: shapes are static, and the work is
    that of the whole beam.

    Args:
        beam: The views to choose from, equally spaced over 180 degrees.
        fewest: Least number of views.
        most: Greatest number of views.
        filter_name: See `sparse_view_ct`.
        method: See `sparse_view_ct`.
        dose: See `sparse_view_ct`.

    Returns:
        A function like that of `sparse_view_ct`.

    Raises:
        ValueError: If not 1 <= fewest <= most <= views of the beam.
    """
    available = without_plan(beam).num_angles
    if not 1 <= fewest <= most <= available:
        raise ValueError(
            f"fewest = {fewest}, most = {most}: expected 1 <= fewest <= most <= "
            f"{available}, the views of the beam"
        )
    return _SparseViewCT(
        _planned(beam, method), filter_name, method, "gaps", dose, (fewest, most)
    )


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("beam",),
    meta_fields=("filter_name", "method", "weights", "dose", "views"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class _SparseViewCT:
    """A CT degradation, as a pytree of the matrices of its beam."""

    beam: ParallelBeam | PlannedBeam
    filter_name: str | None
    method: Method
    weights: Weights
    dose: LowDose | None
    views: tuple[int, int] | None

    def __call__(self, key: Keys, hr: Image) -> Image:
        keys = jax.random.split(key, len(hr)) if key.ndim == 0 else key
        weights = self.weights
        if self.views is not None:
            draw = functools.partial(draw_views, without_plan(self.beam), *self.views)
            weights = jax.vmap(draw)(keys)
        if self.dose is None:
            sinogram = radon(hr[..., 0], self.beam, self.method)
            return self._reconstruct(sinogram, weights)[..., None]
        low, high = self.dose.window
        pixel_mm = self.dose.pixel_mm
        tissue = attenuation_from_hu(low + hr[..., 0] * (high - low), pixel_mm)
        sinogram = jax.vmap(low_dose, in_axes=(0, 0, None, None))(
            # Another number than the views': those are drawn from the key itself.
            jax.vmap(lambda each: jax.random.fold_in(each, 1))(keys),
            radon(tissue, self.beam, self.method),
            self.dose.photons,
            self.dose.electronic_noise,
        )
        hu = hu_from_attenuation(self._reconstruct(sinogram, weights), pixel_mm)
        return ((hu - low) / (high - low))[..., None]

    def _reconstruct(self, sinogram: Sinogram, weights: Weights | Array) -> SquarePlane:
        return fbp(sinogram, self.beam, self.filter_name, self.method, weights)


def draw_views(
    beam: ParallelBeam, fewest: int, most: int, key: Key
) -> Float[Array, " angles"]:
    """Chooses some views of an equispaced beam, evenly, and weighs them by their gaps.

    The number is uniform in `fewest .. most` and the first view in the first gap.

    Args:
        beam: The views to choose from.
        fewest: Least number.
        most: Greatest number.
        key: Randomness.

    Returns:
        Angular weights for `tomography.fbp` in radians, 0 for views left out.
    """
    count_key, start_key = jax.random.split(key)
    count = jax.random.randint(count_key, (), fewest, most + 1)
    start = jax.random.uniform(start_key)
    # View j is kept where j * count / available passes a whole number.
    index = jnp.arange(-1, beam.num_angles)
    passed = jnp.floor(index * (count / beam.num_angles) + start)
    kept = passed[1:] > passed[:-1]
    step = jnp.pi / beam.num_angles
    before, after = _distance_to_kept(kept), _distance_to_kept(kept[::-1])[::-1]
    return jnp.where(kept, step * (before + after) / 2, 0.0)


def _distance_to_kept(kept: Bool[Array, " angles"]) -> Int[Array, " angles"]:
    """Steps back to the kept view before each, around the half circle."""
    index = jnp.arange(2 * len(kept))
    last = jax.lax.cummax(jnp.where(jnp.tile(kept, 2), index, -1))
    return (index[1:] - last[:-1])[len(kept) - 1 :]


def _planned(
    beam: ParallelBeam | PlannedBeam, method: Method
) -> ParallelBeam | PlannedBeam:
    if is_exact(method) or isinstance(beam, PlannedBeam):
        return beam
    return plan(beam)
