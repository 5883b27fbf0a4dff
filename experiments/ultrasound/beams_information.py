"""What interpolation makes of kept lines, by what is interpolated: a csv of means.

    python -m experiments.ultrasound.beams_information --images 24

Simulated frames of each array, 128 samples deep. Lines are interpolated as they are
shown (dB), as envelopes and as complex samples (IQ); what is interpolated is then shown
and compared in the window of the display, and by the SNR and the width of the speckle
in the homogeneous region. `beams_bound` says what could be reached.
"""

import argparse
import csv
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from sisr_jax.data.phantoms.echo_map import CEILING_DB, echo_map
from sisr_jax.degradation.beams import shown, simulated_samples
from sisr_jax.image.resize import aligned_columns
from sisr_jax.metrics import psnr, speckle_snr, ssim
from sisr_jax.metrics.lateral import lateral_width
from sisr_jax.ultrasound.arrays import ARRAYS

WINDOW = (-60.0, 0.0)
WAYS = ("nearest", "linear", "cubic", "lanczos")
FACTORS = (2, 4, 8, 16)
# No training has maps or keys from here on.
TEST_MAPS, TEST_KEYS = 2 * 10**9, 10_000


def frames(
    array: str,
    shape: tuple[int, int],
    count: int,
    *others,
    maps: int = TEST_MAPS,
    keys: int = TEST_KEYS,
):
    """Samples simulated from maps, and the masks of cysts and organs in these.

    Args:
        array: Of `ARRAYS`.
        shape: Of a frame.
        count: How many.
        others: Further simulators of the same maps and keys, `simulated_cine` for
            instance; what they make is returned at the end, each.
        maps: Number of the first map; default: of the test split.
        keys: Number of the first key; default: of the test.
    """
    drawn = [echo_map(0, maps + i, shape) for i in range(count)]
    low = WINDOW[0]
    levels = [np.clip((each.level - low) / (CEILING_DB - low), 0, 1) for each in drawn]
    randomness = jax.vmap(jax.random.key)(keys + jnp.arange(count))
    level = jnp.asarray(np.stack(levels))
    samples, *more = (
        _together(simulate, array)(randomness, level)
        for simulate in (simulated_samples, *others)
    )
    inside, outside = np.zeros((2, count, *shape), bool)
    for index, each in enumerate(drawn):
        for masks, box in ((inside, each.inside), (outside, each.outside)):
            left, top, right, bottom = box[0].astype(int)
            masks[index, top : bottom + 1, left : right + 1] = True
    return samples, inside, outside, *more


@functools.cache
def _together(simulate, array: str):
    """A simulator of an array for a batch of keys and levels, compiled once."""
    simulate = functools.partial(simulate, probes=(ARRAYS[array],), window=WINDOW)
    return jax.jit(jax.vmap(simulate))


def widened(planes, factor: int, way: str):
    """Real or complex planes, every `factor`-th line of them, interpolated."""
    kept = planes[..., ::factor]
    if jnp.iscomplexobj(kept):
        return jax.lax.complex(
            widened(planes.real, factor, way), widened(planes.imag, factor, way)
        )
    return aligned_columns(kept[..., None], factor=factor, interpolation=way)[..., 0]


def interpolated(samples, factor: int):
    """Levels on the display, by the name of what was interpolated and how."""
    level = shown(samples, WINDOW)
    envelope = jnp.abs(samples)
    for way in WAYS:
        yield f"dB {way}", widened(level, factor, way)
        wide = jnp.maximum(widened(envelope, factor, way), 0)
        yield f"envelope {way}", shown(wide.astype(jnp.complex64), WINDOW)
        yield f"IQ {way}", shown(widened(samples, factor, way), WINDOW)


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--lines", type=int, default=256)
    parser.add_argument(
        "--csv", default=pathlib.Path(__file__).with_name("beams_information.csv")
    )
    options = parser.parse_args()
    rows = []
    for array in ARRAYS:
        samples, _, masks = frames(array, (128, options.lines), options.images)
        truth = shown(samples, WINDOW)
        for factor in FACTORS:
            images = {"truth": truth, **dict(interpolated(samples, factor))}
            for name, image in images.items():
                image = jnp.clip(image, 0, 1)
                envelope = 10 ** (60 * (image - 1) / 20)
                numbers = {
                    "psnr": psnr(image[..., None], truth[..., None]),
                    "ssim": ssim(image[..., None], truth[..., None]),
                    "speckle_snr": speckle_snr(envelope[..., None], masks[..., None]),
                    "lateral_width": lateral_width(
                        envelope[..., None], masks[..., None]
                    ),
                }
                means = {k: float(np.mean(v)) for k, v in numbers.items()}
                rows.append({"array": array, "factor": factor, "method": name} | means)
                print(*rows[-1].values(), flush=True)
    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
