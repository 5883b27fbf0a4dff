"""CT with few views or few photons: project, add noise, back-project."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from sisr_jax.degradation.degradation import Degradation, one_for_each, planes_of
from sisr_jax.degradation.dose import LowDose
from sisr_jax.geometries import whole_number
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT, PlannedBeam
from sisr_jax.tomography.fbp import Weights
from sisr_jax.tomography.radon import Method, without_plan
from sisr_jax.types import Image, Key, Keys, Measurement


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=("operator",),
    meta_fields=("filter_name", "weights", "dose", "views"),
)
@dataclasses.dataclass(frozen=True, eq=False)
class _SparseViewCT(Degradation):
    """Sparse views, noise, and filtered back-projection."""

    operator: ParallelBeamCT
    filter_name: str | None
    weights: Weights
    dose: LowDose | None
    views: tuple[int, int] | None

    def measure(self, keys: Keys, hr: Image) -> Measurement:
        """Views `[batch, angles, detectors]`, 0 in those that were not drawn."""
        keys, operator = one_for_each(keys, len(hr)), self.operator
        if self.views is not None:
            fewest, most = self.views
            draw = functools.partial(
                draw_views,
                beam=without_plan(operator.beam),
                min_views=fewest,
                max_views=most,
            )
            operator = dataclasses.replace(operator, sampled=jax.vmap(draw)(keys))
        views = operator(planes_of(hr))
        if self.dose is not None:
            # Drawing views splits the key, which takes the numbers 0 and 1.
            number = 1 if self.views is None else 2
            noise = jax.vmap(lambda each: jax.random.fold_in(each, number))(keys)
            views = operator.measured(self.dose.spoil(noise, views, operator))
        return Measurement(views, operator)

    def estimate(self, measurement: Measurement) -> Image:
        """Filtered back-projection; streaks leave [0, 1], nothing is clipped."""
        views, operator = measurement
        weights = self.weights if operator.sampled is None else None
        planes = operator.fbp(views, filter_name=self.filter_name, weights=weights)
        return planes[..., None]


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

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from sisr_jax.degradation import sparse_view_ct
        >>> from sisr_jax.tomography import ParallelBeam
        >>> scan = sparse_view_ct(ParallelBeam(size=16, num_angles=24).every(4))
        >>> key, hr = jax.random.key(0), jnp.ones((1, 16, 16, 1))
        >>> jax.jit(scan.measure)(key, hr).values.shape, jax.jit(scan)(key, hr).shape
        ((1, 6, 23), (1, 16, 16, 1))
    """
    operator = ParallelBeamCT(beam, method=method)
    return _SparseViewCT(operator, filter_name, weights, dose, None)


def random_view_ct(
    beam: ParallelBeam | PlannedBeam,
    *,
    min_views: int,
    max_views: int,
    filter_name: str | None = "ramp",
    method: Method = "matmul",
    dose: LowDose | None = None,
) -> Degradation:
    """Sparse-view CT with a number of views, and a first view, drawn for each image.

    Views are kept out of those of `beam`, evenly up to the rounding to its angles,
    so one network learns every sampling between `min_views` and `max_views`. All views
    of the beam are projected and the others masked: shapes are static, and the work is
    that of the whole beam.

    Args:
        beam: The views to choose from, equally spaced over 180 degrees.
        min_views: Least number of views.
        max_views: Greatest number of views.
        filter_name: See `sparse_view_ct`.
        method: See `sparse_view_ct`.
        dose: See `sparse_view_ct`.

    Returns:
        A function like that of `sparse_view_ct`.

    Raises:
        TypeError: If `min_views` or `max_views` is no whole number.
        ValueError: If not 1 <= min_views <= max_views <= views of the beam.

    Examples:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> from sisr_jax.degradation import random_view_ct
        >>> from sisr_jax.tomography import ParallelBeam
        >>> beam = ParallelBeam(size=16, num_angles=24)
        >>> scan = random_view_ct(beam, min_views=6, max_views=12)
        >>> key, hr = jax.random.key(0), jnp.ones((4, 16, 16, 1))
        >>> found = jax.jit(scan.measure)(key, hr)
        >>> views = (np.asarray(found.operator.sampled) > 0).sum(-1)  # drawn for each
        >>> found.values.shape, bool(views.min() >= 6 and views.max() <= 12)
        ((4, 24, 23), True)
    """
    min_views = whole_number("min_views", min_views, "views")
    max_views = whole_number("max_views", max_views, "views")
    available = without_plan(beam).num_angles
    if not 1 <= min_views <= max_views <= available:
        raise ValueError(
            f"min_views = {min_views}, max_views = {max_views}: expected "
            f"1 <= min_views <= max_views <= {available}, the views of the beam"
        )
    operator = ParallelBeamCT(beam, method=method)
    return _SparseViewCT(operator, filter_name, "gaps", dose, (min_views, max_views))


def draw_views(
    key: Key, beam: ParallelBeam, *, min_views: int, max_views: int
) -> Float[Array, " angles"]:
    """Chooses some views of an equispaced beam, evenly, and weighs them by their gaps.

    The number is uniform in `min_views .. max_views`, the first view in the first gap.

    Args:
        key: Randomness.
        beam: The views to choose from.
        min_views: Least number.
        max_views: Greatest number.

    Returns:
        Angular weights for `tomography.fbp` in radians, 0 for views left out.
    """
    count_key, start_key = jax.random.split(key)
    count = jax.random.randint(count_key, (), min_views, max_views + 1)
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
