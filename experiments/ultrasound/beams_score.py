"""Networks against interpolation in beam space, on arrays they know and on one that
they do not: a csv of means with intervals by frame.

    python -m experiments.ultrasound.beams_score --run RUN [RUN ...]

RUN is a working folder of a command in `beams.md`, or a bundle. Frames are of maps of
the test split and of keys that no training has: 64 of each array, and of their lines as
many as the first RUN was trained for. Where one of them is for IQ, interpolation of IQ
before the envelope is taken is among the rivals; of cines, so is the interpolation
between the lines of all frames. Gains are over the best that sees one frame. Scores are
of beams and of scan-converted pictures (curved arrays), and of the homogeneous region
and the cyst of each map. With --data, the recordings of a phantom are scored, too:
fixtures, of one acquisition. `beyond` is the share of the power of the rows' envelopes
above the Nyquist frequency of the kept lines.
"""

import argparse
import csv
import functools
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.beams_information import WINDOW, frames, widened
from sisr_jax.data.collections.duke import log_magnitude
from sisr_jax.degradation.beams import shown
from sisr_jax.degradation.beams_modality import BeamBaselines
from sisr_jax.degradation.cine_beams import simulated_cine
from sisr_jax.inference import load
from sisr_jax.metrics import (
    gcnr,
    lateral_spectrum,
    lateral_width,
    psnr,
    speckle_snr,
    ssim,
)
from sisr_jax.types import Measurement
from sisr_jax.ultrasound import CartesianGrid, LateralDecimation, ScanConversion
from sisr_jax.ultrasound.arrays import ARRAYS

IQ_WAYS = {"Linear (IQ)": "linear", "Bicubic (IQ)": "cubic", "Lanczos (IQ)": "lanczos"}
SHAPE = (128, 256)
PIXEL_MM = {"curved": 0.25, "endocavity": 0.12}


def numbers(image, truth, regions, convert, factor) -> dict[str, jax.Array]:
    """Scores of every frame by name."""
    image = jnp.clip(image, 0, 1)
    envelope = 10 ** ((WINDOW[1] - WINDOW[0]) * (image - 1) / 20)
    pair = image[..., None], truth[..., None]
    inside, outside = (mask[..., None] for mask in regions)
    curve = lateral_spectrum(envelope, column_mm=1)
    beyond = curve.frequencies > 0.5 / factor
    found = {
        "psnr": psnr(*pair),
        "ssim": ssim(*pair),
        "speckle_snr": speckle_snr(envelope[..., None], outside),
        "lateral_width": lateral_width(envelope[..., None], outside),
        "gcnr": gcnr(image[..., None], inside, outside),
        "beyond": jnp.sum(curve.values * beyond, -1) / jnp.sum(curve.values, -1),
    }
    if convert is not None:
        shown_there = convert(jnp.ones_like(truth[:1]))[..., None] > 0.5
        pictures = tuple(convert(each[..., 0])[..., None] for each in pair)
        found["psnr_picture"] = psnr(*pictures, mask=shown_there)
        found["ssim_picture"] = ssim(*pictures, mask=shown_there)
    return found


def interval(values: np.ndarray) -> tuple[float, float]:
    """Bootstrap of the mean over frames, 95 %."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(values, (2000, len(values))).mean(1)
    return tuple(np.percentile(drawn, [2.5, 97.5]).tolist())


def label(restorer) -> str:
    """What tables call a network: by what it sees beside the lines."""
    more = restorer.config.degradation.side_information
    shift = restorer.config.degradation.cine.interleave
    interleaved = f", {shift} on in each" if shift else ""
    return f"Lateral U-Net ({more}{interleaved})" if more else "Lateral U-Net"


def is_iq(restorer) -> bool:
    """Whether it restores complex samples."""
    return restorer.config.degradation.signal == "iq"


def first_lines(restorer) -> list[int]:
    """Of each frame that it sees, the first line that is kept."""
    section = restorer.config.degradation
    middle = section.cine.frames // 2
    steps = range(-middle, middle + 1)
    return [section.cine.interleave * step % section.factor for step in steps]


def woven(cine, firsts: list[int], factor: int) -> jax.Array:
    """Lines of all frames where they were kept, as if nothing had moved, and between.

    Of two frames that kept a line the later one counts, and the middle one of all.
    """
    line, middle = np.arange(cine.shape[-1]), len(firsts) // 2
    source = np.full(len(line), -1)
    for number in (*range(middle), *range(middle + 1, len(firsts)), middle):
        source[line % factor == firsts[number]] = number
    known = np.flatnonzero(source >= 0)
    levels = cine[:, source[known], :, known]  # [known, images, depth]
    right = np.searchsorted(known, line).clip(max=len(known) - 1)
    left = (np.searchsorted(known, line, "right") - 1).clip(min=0)
    gap = np.maximum(known[right] - known[left], 1)
    share = ((line - known[left]) / gap)[:, None, None]
    wide = (1 - share) * levels[left] + share * levels[right]
    return jnp.moveaxis(wide, 0, -1)


def estimates(restorers, samples, truth, cine=None) -> dict[str, jax.Array]:
    """Levels of every method, `[frames, depth, line]`.

    Args:
        restorers: The networks.
        samples: Complex, of all lines.
        truth: What is shown of them.
        cine: The same with frames before and after, `[images, frames, depth, line]`.
    """
    factor = restorers[0].config.degradation.factor
    operator = LateralDecimation(factor)
    found = jax.jit(BeamBaselines(WINDOW))(Measurement(operator(truth), operator))
    images = {name: each[..., 0] for name, each in found.items()}
    if any(map(is_iq, restorers)):
        for name, way in IQ_WAYS.items():
            images[name] = shown(widened(samples, factor, way), WINDOW)
    for restorer in restorers:
        kept = (samples if is_iq(restorer) else truth)[..., ::factor]
        firsts = first_lines(restorer)
        if len(firsts) > 1:
            lines = [cine[:, i, :, first::factor] for i, first in enumerate(firsts)]
            kept = jnp.stack(lines, 1)
        if len(set(firsts)) > 1:
            images[f"Linear ({len(firsts)} frames)"] = woven(cine, firsts, factor)
        few = jnp.array_split(kept, max(1, len(kept) // 8))
        restored = [restorer(measurement=each, operator=operator).image for each in few]
        images[label(restorer)] = jnp.concatenate(restored)
    return images


def table(array: str, factor: int, found: dict[str, dict]) -> list[dict]:
    """A row for each method, with the gain over the best interpolation."""
    rivals = [*BeamBaselines(WINDOW).names, *(found.keys() & IQ_WAYS)]
    best = max(rivals, key=lambda name: found[name]["psnr"].mean())
    rows = []
    for name, values in found.items():
        row = {"array": array, "factor": factor, "method": name}
        row |= {key: f"{each.mean():.4f}" for key, each in values.items()}
        if name != "Truth":
            gain = values["psnr"] - found[best]["psnr"]
            low, high = interval(gain)
            row |= {"best": best, "gain": f"{gain.mean():.3f}"}
            row |= {"gain_low": f"{low:.3f}", "gain_high": f"{high:.3f}"}
        rows.append(row)
        print(*row.values(), flush=True)
    return rows


def simulated(array: str, count: int, restorers, motion_mm: float) -> list[dict]:
    """Scores on frames of an array."""
    most = max(each.config.degradation.cine.frames for each in restorers)
    cines = functools.partial(simulated_cine, frames=most, motion_mm=motion_mm)
    samples, *regions, cine = frames(array, SHAPE, count, cines)
    truth = shown(samples, WINDOW)
    convert = None
    if array in PIXEL_MM:
        polar = ARRAYS[array].sector(SHAPE)
        around = CartesianGrid.covering(polar, PIXEL_MM[array])
        convert = ScanConversion(polar, around)
    factor = restorers[0].config.degradation.factor
    images = {"Truth": truth} | estimates(
        restorers, samples, truth, shown(cine, WINDOW)
    )
    # Arrays as arguments: what a program closes over is folded when it is compiled.
    score = jax.jit(numbers, static_argnames="factor")
    found = {
        name: jax.device_get(score(image, truth, regions, convert, factor=factor))
        for name, image in images.items()
    }
    return table(array, factor, found)


def recorded(data: pathlib.Path, restorers) -> list[dict]:
    """Scores on the recordings of a phantom: one acquisition, fixtures of a format."""
    found: dict[str, dict[str, list]] = {}
    factor = restorers[0].config.degradation.factor
    for file in sorted((data / "us_polar").glob("duke_*.npz")):
        with np.load(file) as record:
            samples = record["iq_real"] + 1j * record["iq_imag"]
        level, reference = log_magnitude(samples)
        width = level.shape[1] // factor * factor
        truth = jnp.clip(1 + jnp.asarray(level[None, :, :width]) / -WINDOW[0], 0, 1)
        samples = jnp.asarray(samples[None, :, :width] / reference, jnp.complex64)
        images = {"Truth": truth} | estimates(restorers, samples, truth)
        for name, image in images.items():
            pair = jnp.clip(image, 0, 1)[..., None], truth[..., None]
            scores = {"psnr": float(psnr(*pair)[0]), "ssim": float(ssim(*pair)[0])}
            for key, value in scores.items():
                found.setdefault(name, {}).setdefault(key, []).append(value)
    arrays = {
        name: {key: np.array(each) for key, each in values.items()}
        for name, values in found.items()
    }
    return table("recorded C5-2", factor, arrays)


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", nargs="+", required=True)
    parser.add_argument("--motion_mm", type=float, default=0.1, help="of cines")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--data", type=pathlib.Path, help="../shared/data")
    parser.add_argument(
        "--csv", default=pathlib.Path(__file__).with_name("beams_x4.csv")
    )
    options = parser.parse_args()
    restorers = [load(run) for run in options.run]
    rows = [
        row
        for array in ARRAYS
        for row in simulated(array, options.images, restorers, options.motion_mm)
    ]
    if options.data:
        # Of no recording it is known which frames follow each other.
        single = [each for each in restorers if len(first_lines(each)) == 1]
        rows += recorded(options.data, single)
    fields = dict.fromkeys(key for row in rows for key in row)
    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
