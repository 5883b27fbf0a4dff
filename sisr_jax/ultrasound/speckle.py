"""A simulator of beams: scatterers, the beam that sees them, and the display.

Everything is a pure function of a key and of arrays, for one frame `[depth, line]`;
`jax.vmap` makes batches. Point scatterers lie on a grid with more columns than lines.
Their amplitudes are complex Gaussian times the echogenicity of the tissue, and places
are empty at random where they are few: from the K distribution of under-developed
speckle to Rayleigh's. Each depth has its own lateral response, that of `probes.beam`;
along the lines all have that of the pulse. Reflection at interfaces is coherent.

The lateral response is that of a place's own depth, so that what is within one length
of the pulse is taken to be at one depth. Side lobes, refraction and reverberation are
left out, and of motion all but that of the tissue as a whole.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from sisr_jax.geometries import whole_number
from sisr_jax.types import Key
from sisr_jax.ultrasound.probes import PLACES, Number, Probe, beam, occupancy

# Lines and samples beyond all sides: the blur is periodic, and does not join edges.
_MARGIN = 16


def echoes(
    key: Key,
    diffuse: Float[Array, "depth line"],
    specular: Float[Array, "depth line"],
    *,
    probe: Probe,
    scatterers_per_mm2: Number,
    displacement_mm: Float[Array, " 2"] | None = None,
) -> Complex[Array, "depth line"]:
    """Complex baseband samples (IQ) of one frame.

    Args:
        key: Draws the scatterers.
        diffuse: Echogenicity, an amplitude; 1 is average tissue.
        specular: Amplitude of reflecting interfaces in the same unit.
        probe: What sees them.
        scatterers_per_mm2: Mean density; a beam that always sees many makes fully
            developed speckle.
        displacement_mm: By how much all of the tissue has moved since, along the lines
            and across them (at the face); far less than the 16 lines and samples beyond
            the sides that it comes from.

    Returns:
        Mean squared magnitude 1 where `diffuse` is 1 and `specular` 0, at every depth
        and density.

    Examples:
        >>> import jax, jax.numpy as jnp
        >>> from sisr_jax.ultrasound.arrays import ARRAYS
        >>> from sisr_jax.ultrasound.speckle import echoes
        >>> flat = jnp.ones((64, 64))
        >>> probe = ARRAYS["linear"]
        >>> samples = echoes(
        ...     jax.random.key(0), flat, 0 * flat, probe=probe, scatterers_per_mm2=1e3
        ... )
        >>> round(float(jnp.mean(jnp.abs(samples) ** 2)), 1)
        1.0
    """
    height, _ = diffuse.shape
    diffuse, specular = (_widen(each) for each in (diffuse, specular))
    # Above the face the probe sees what it sees just below it.
    depths = jnp.pad(probe.depths(height), _MARGIN, mode="edge")
    occupied = occupancy(probe, depths, scatterers_per_mm2=scatterers_per_mm2)
    noise_key, place_key, phase_key = jax.random.split(key, 3)
    noise = jax.random.normal(noise_key, (2, *diffuse.shape)) * jnp.sqrt(0.5)
    there = jax.random.uniform(place_key, diffuse.shape) < occupied[:, None]
    strength = there * jax.lax.rsqrt(occupied)[:, None] * diffuse
    phase = jnp.exp(2j * jnp.pi * jax.random.uniform(phase_key))
    field = jax.lax.complex(*noise) * strength + specular * phase
    if displacement_mm is not None:
        spacing = jnp.stack(jnp.broadcast_arrays(probe.sample_mm, probe.line_mm))
        field = _displaced(field, displacement_mm / spacing)
    field = _along_lines(_across_lines(field, probe, depths), probe)
    inner = slice(_MARGIN, -_MARGIN)
    return field[inner, PLACES * _MARGIN : -PLACES * _MARGIN : PLACES]


def _widen(plane: Float[Array, "depth line"]) -> Float[Array, "places columns"]:
    """Margins, and `PLACES` columns for each line."""
    return jnp.repeat(jnp.pad(plane, _MARGIN, mode="edge"), PLACES, axis=1)


def _displaced(field: Array, displacement: Array) -> Array:
    """The field, moved by any number of samples and lines."""
    down, right = displacement[0], displacement[1] * PLACES
    turns = (
        jnp.fft.fftfreq(field.shape[0])[:, None] * down
        + jnp.fft.fftfreq(field.shape[1]) * right
    )
    return jnp.fft.ifft2(jnp.fft.fft2(field) * jnp.exp(-2j * jnp.pi * turns))


def _across_lines(field: Array, probe: Probe, depths: Array) -> Array:
    """The beam of each depth, with the power of white noise kept."""
    place = probe.pitch(depths)[:, None] / PLACES
    frequency = jnp.fft.fftfreq(field.shape[1]) / place  # cycles per mm
    width, chirp = (each[:, None] for each in beam(probe, depths))
    decay = 1 / jax.lax.complex(1 / (2 * width**2), -chirp)
    response = jnp.exp(-jnp.square(jnp.pi * frequency) * decay)
    power = jnp.mean(jnp.square(jnp.abs(response)), axis=1, keepdims=True)
    spectrum = jnp.fft.fft(field, axis=1) * response * jax.lax.rsqrt(power)
    return jnp.fft.ifft(spectrum, axis=1)


def _along_lines(field: Array, probe: Probe) -> Array:
    """The pulse, likewise."""
    frequency = jnp.fft.fftfreq(field.shape[0])[:, None]
    samples = probe.pulse_mm / probe.sample_mm
    response = jnp.exp(-2 * jnp.square(jnp.pi * samples * frequency))
    response *= jax.lax.rsqrt(jnp.mean(jnp.square(response)))
    return jnp.fft.ifft(jnp.fft.fft(field, axis=0) * response, axis=0)


def interfaces(diffuse: Float[Array, "depth line"]) -> Float[Array, "depth line"]:
    """Where echogenicity changes along a line: what reflects, square to the beam.

    Args:
        diffuse: Echogenicity, an amplitude.

    Returns:
        The size of the change from one sample to the next, 0 at the last one.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound.speckle import interfaces
        >>> interfaces(jnp.array([[1.0], [1.0], [3.0]])).tolist()
        [[0.0], [2.0], [0.0]]
    """
    change = jnp.diff(diffuse, axis=-2, append=diffuse[..., -1:, :])
    return jnp.maximum(change, -change)


def residual_gain(
    key: Key, num_samples: int, *, spread_db: Number
) -> Float[Array, " depth"]:
    """Gain in dB along a line, that time gain compensation has left over.

    Args:
        key: Randomness.
        num_samples: Samples of a line.
        spread_db: Standard deviation of each of the five sliders that it is drawn by.

    Raises:
        TypeError: If `num_samples` is no whole number.
        ValueError: If it is below 1.

    Examples:
        >>> import jax
        >>> from sisr_jax.ultrasound.speckle import residual_gain
        >>> residual_gain(jax.random.key(0), 3, spread_db=0.0).tolist()
        [0.0, 0.0, 0.0]
    """
    num_samples = whole_number("num_samples", num_samples, "samples", least=1)
    sliders = spread_db * jax.random.normal(key, (5,))
    place = jnp.linspace(0.0, 4.0, num_samples)
    return jnp.interp(place, jnp.arange(5.0), sliders)


def displayed(
    samples: Complex[Array, "*batch depth line"],
    *,
    reference_db: Number,
    dynamic_range_db: Number,
    levels: int,
) -> Float[Array, "*batch depth line"]:
    """The log-compressed, quantised envelope in [0, 1].

    Args:
        samples: IQ.
        reference_db: Squared magnitude, in dB, that is shown as 1.
        dynamic_range_db: Down to which below it levels differ, above 0.
        levels: Grey levels, at least 2.

    Raises:
        TypeError: If `levels` is no whole number.
        ValueError: If there are fewer than 2.

    Examples:
        >>> import jax.numpy as jnp
        >>> from sisr_jax.ultrasound.speckle import displayed
        >>> samples = jnp.array([[1.0 + 0j, 0.1j, 0.0]])  # 0, -20 and no dB
        >>> shown = displayed(samples, reference_db=0, dynamic_range_db=40, levels=5)
        >>> shown.tolist()
        [[1.0, 0.5, 0.0]]
    """
    levels = whole_number("levels", levels, "grey levels", least=2)
    power = jnp.square(samples.real) + jnp.square(samples.imag)
    decibel = 10 * jnp.log10(jnp.maximum(power, 1e-20))
    level = jnp.clip(1 + (decibel - reference_db) / dynamic_range_db, 0.0, 1.0)
    return jnp.round(level * (levels - 1)) / (levels - 1)
