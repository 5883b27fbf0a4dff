"""Typical arrays, by name, and random variations of them.

256 lines of each are a frame as scanners make it: 38 mm of a linear array at 7.5 MHz,
64 degrees of a curved one at 3.5 MHz, and 128 of an endocavity one at 6.5 MHz. The
lines of the curved array are as far apart as those of the C5-2 in the recordings of
duke_ultrasound, 0.25 degrees. Speed of sound 1.54 mm/us.
"""

import math

import jax

from sisr_jax.types import Key
from sisr_jax.ultrasound.probes import Number, Probe

ARRAYS = {
    "linear": Probe(
        wavelength_mm=1.54 / 7.5,
        line_mm=0.15,
        curvature=0.0,
        sample_mm=0.12,
        focus_mm=15.0,
        transmit_f=3.5,
        receive_f=2.0,
        aperture_mm=19.0,
        cycles=2.0,
    ),
    "curved": Probe(
        wavelength_mm=1.54 / 3.5,
        line_mm=math.radians(0.25) * 60.0,
        curvature=1 / 60.0,
        sample_mm=0.26,
        focus_mm=40.0,
        transmit_f=3.5,
        receive_f=2.0,
        aperture_mm=28.0,
        cycles=2.0,
    ),
    "endocavity": Probe(
        wavelength_mm=1.54 / 6.5,
        line_mm=math.radians(0.5) * 11.0,
        curvature=1 / 11.0,
        sample_mm=0.14,
        focus_mm=18.0,
        transmit_f=3.5,
        receive_f=2.0,
        aperture_mm=11.0,
        cycles=2.0,
    ),
}


def varied(key: Key, probe: Probe, *, deepest_mm: Number) -> Probe:
    """A probe with another focus, other F-numbers, another carrier and pulse.

    The focus is between 0.2 and 0.9 of the depth that is shown. F-numbers, wavelength
    and cycles are within 0.75 and 1.33 times, 0.9 and 1.1, 0.8 and 1.25 times those
    of the probe. Lines and samples stay where they are.

    Args:
        key: Randomness.
        probe: What is varied.
        deepest_mm: Depth of the last sample.

    Examples:
        >>> import jax
        >>> from sisr_jax.ultrasound.arrays import ARRAYS, varied
        >>> probe = varied(jax.random.key(0), ARRAYS["linear"], deepest_mm=30.0)
        >>> bool(6 <= probe.focus_mm <= 27)
        True
    """
    focus, sent, received, wave, cycles = jax.random.uniform(key, (5,))

    def times(value: Number, share: Number, largest: float) -> Number:
        return value * largest ** (2 * share - 1)

    return probe._replace(
        focus_mm=deepest_mm * (0.2 + 0.7 * focus),
        transmit_f=times(probe.transmit_f, sent, 1.33),
        receive_f=times(probe.receive_f, received, 1.33),
        wavelength_mm=times(probe.wavelength_mm, wave, 1.1),
        cycles=times(probe.cycles, cycles, 1.25),
    )
