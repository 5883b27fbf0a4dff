"""How large a plan would be, without making it."""

from sisr_jax.tomography.geometry import ParallelBeam
from sisr_jax.tomography.planning import frequencies, quarter_of
from sisr_jax.tomography.slots import layout


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
