"""Probes, and how wide the beams are that they make.

Lines leave the face of a linear array side by side, and that of a curved one like the
radii of its circle. With the curvature `1 / radius` of the face both are one formula:
at depth `z` in mm below the face, lines are `line_mm * (1 + curvature * z)` apart.

Beams are Gaussian: the lateral amplitude is `exp(-x^2 / 2 s^2 + i c x^2)`, with the
standard deviation `s` and the curvature `c` of the wavefront. The transmitted beam has
one focus; the receiving one is focused at every depth, until the array is too short for
its F-number. What both make together, and the autocovariance of the speckle that it
makes, have closed forms. A focus of 1 F-number is `SPOT` wavelengths: the Gaussian as
wide at half its height as the `sinc` of an aperture without apodisation.
"""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from sisr_jax.geometries import whole_number
from sisr_jax.ultrasound.sector import PolarGrid

# Full width of sinc at half its height, and of a Gaussian of unit deviation.
SPOT = 1.2067 / (2 * math.sqrt(2 * math.log(2)))

Number = Any


class Probe(NamedTuple):
    """An array, its pulse and its focus; a pytree of numbers, or of arrays of them.

    Attributes:
        wavelength_mm: Of the carrier in tissue.
        line_mm: From line to line at the face.
        curvature: Of the face, `1 / radius` in 1/mm; 0 for a linear array.
        sample_mm: From sample to sample along a line.
        focus_mm: Depth of the transmitted focus.
        transmit_f: F-number of the transmitted focus.
        receive_f: F-number of the receiving aperture, as long as the array is.
        aperture_mm: Largest receiving aperture.
        cycles: Length of the pulse in periods of the carrier.
    """

    wavelength_mm: Number
    line_mm: Number
    curvature: Number
    sample_mm: Number
    focus_mm: Number
    transmit_f: Number
    receive_f: Number
    aperture_mm: Number
    cycles: Number

    @property
    def pulse_mm(self) -> Number:
        """Standard deviation of the amplitude of an echo along a line."""
        return self.cycles * self.wavelength_mm / 2 / (2 * math.sqrt(2 * math.log(2)))

    def depths(self, num_samples: int) -> Float[Array, " depth"]:
        """Depths of the samples of a line in mm; the first is one sample deep."""
        num_samples = whole_number("num_samples", num_samples, "samples", least=1)
        return self.sample_mm * (1.0 + jnp.arange(num_samples))

    def pitch(self, depths: Float[Array, " depth"]) -> Float[Array, " depth"]:
        """From line to line in mm, at some depths."""
        return self.line_mm * (1 + self.curvature * depths)

    def sector(self, shape: tuple[int, int]) -> PolarGrid:
        """Where the samples of a frame are; on the host, of a curved array.

        Args:
            shape: Samples along a line, and lines.

        Raises:
            ValueError: If the array is linear, and its lines do not meet.
        """
        if not self.curvature > 0:
            raise ValueError(f"curvature = {self.curvature}: expected a curved array")
        radius, angle = 1 / self.curvature, self.line_mm * self.curvature
        depth, lines = (
            whole_number("shape", each, "samples or lines") for each in shape
        )
        return PolarGrid.equispaced(
            depth,
            lines,
            first_radius=radius + self.sample_mm,
            radial_step=self.sample_mm,
            first_angle=-angle * (lines - 1) / 2,
            angle_step=angle,
        )


class Beam(NamedTuple):
    """The lateral amplitude of an echo, `exp(-x^2 / 2 width^2 + i chirp x^2)`.

    Attributes:
        width: Standard deviation in mm, at each depth.
        chirp: Curvature of the wavefront in 1/mm^2; 0 at the focus.
    """

    width: Float[Array, " depth"]
    chirp: Float[Array, " depth"]

    @property
    def correlation_mm(self) -> Float[Array, " depth"]:
        """How far apart lines are whose speckle correlates by `exp(-1/4)`.

        A wavefront that is curved makes it shorter than `width`.
        """
        return self.width / jnp.sqrt(1 + 4 * jnp.square(self.chirp * self.width**2))


def beam(probe: Probe, depths: Float[Array, " depth"]) -> Beam:
    """The beam of transmission and reception together.

    Siegman, "Lasers" (1986), eq. 17.5, for the transmitted Gaussian beam; its square of
    width grows by the depth from the focus in units of the Rayleigh length.

    Args:
        probe: The probe.
        depths: In mm below its face, above 0.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> from sisr_jax.ultrasound.probes import beam
        >>> probe = ARRAYS["linear"]
        >>> at_focus = beam(probe, jnp.array([probe.focus_mm]))
        >>> round(float(at_focus.width[0]), 3), float(at_focus.chirp[0])
        (0.183, 0.0)
    """
    waist = SPOT * probe.wavelength_mm * probe.transmit_f
    rayleigh = 2 * math.pi * waist**2 / probe.wavelength_mm
    away = depths - probe.focus_mm
    sent = waist**2 * (1 + jnp.square(away / rayleigh))
    chirp = math.pi / probe.wavelength_mm * away / (away**2 + rayleigh**2)
    f_number = jnp.maximum(probe.receive_f, depths / probe.aperture_mm)
    received = jnp.square(SPOT * probe.wavelength_mm * f_number)
    return Beam(jnp.sqrt(1 / (1 / sent + 1 / received)), chirp)


def field_correlation(
    probe: Probe, depths: Float[Array, " depth"], lag: int | float
) -> Float[Array, " depth"]:
    """Correlation of the complex samples of fully developed speckle, in [0, 1].

    That of the squared envelope is its square (Wagner et al., IEEE Trans. Sonics
    Ultrason. 30(3), 1983).

    Args:
        probe: The probe.
        depths: In mm below its face.
        lag: From line to line, in lines.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> from sisr_jax.ultrasound.probes import field_correlation
        >>> probe = ARRAYS["linear"]
        >>> focus = jnp.array([probe.focus_mm])
        >>> [round(float(field_correlation(probe, focus, lag)[0]), 2) for lag in (0, 4)]
        [1.0, 0.07]
    """
    apart = lag * probe.pitch(depths)
    return jnp.exp(-jnp.square(apart / (2 * beam(probe, depths).correlation_mm)))


def k_shape(
    probe: Probe, depths: Float[Array, " depth"], *, scatterers_per_mm2: Number
) -> Float[Array, " depth"]:
    """Shape of the K distribution of the envelope: effective scatterers in a cell.

    The mean squared intensity is `2 (1 + 1 / shape)` squared mean intensities (Jakeman
    and Pusey, IEEE Trans. Antennas Propag. 24(6), 1976): Rayleigh's 2 for many. The
    scatterers are those of `speckle.echoes`, whose amplitudes are Gaussian.

    Args:
        probe: The probe.
        depths: In mm below its face.
        scatterers_per_mm2: Mean density.

    Returns:
        The shape; infinite where every place has a scatterer.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> from sisr_jax.ultrasound.probes import k_shape
        >>> probe = ARRAYS["linear"]
        >>> focus = jnp.array([probe.focus_mm])
        >>> k_shape(probe, focus, scatterers_per_mm2=1e3).tolist()  # Rayleigh's
        [inf]
    """
    occupied = occupancy(probe, depths, scatterers_per_mm2=scatterers_per_mm2)
    cell = 2 * math.pi * beam(probe, depths).width * probe.pulse_mm
    gaps = 1 - occupied
    shape = cell * scatterers_per_mm2 / jnp.where(gaps > 0, gaps, 1.0)
    return jnp.where(gaps > 0, shape, jnp.inf)


# Places of scatterers for each line: beams that are narrower than the lines are apart
# see structure between these.
PLACES = 2


def occupancy(
    probe: Probe, depths: Float[Array, " depth"], *, scatterers_per_mm2: Number
) -> Float[Array, " depth"]:
    """Share of the places for scatterers that have one, at most 1.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> from sisr_jax.ultrasound.probes import occupancy
        >>> probe = ARRAYS["linear"]  # two places for each 0.15 mm, samples of 0.12 mm
        >>> share = occupancy(probe, jnp.array([15.0]), scatterers_per_mm2=10.0)
        >>> round(float(share[0]), 3)
        0.09
    """
    place = probe.pitch(depths) / PLACES * probe.sample_mm
    return jnp.minimum(scatterers_per_mm2 * place, 1.0)
