"""Speckle, contrast and lateral resolution of what fills in columns.

    python -m experiments.ultrasound.texture --data FOLDER \
        --weights scan-line-ultrasound --output texture.csv

The frames, columns and methods of `score`. Of every method, and of the frames
themselves: SNR of the speckle and width of its autocovariance in the window of
`regions`, gCNR of that against the darker window, and the share of the power of the
rows above the Nyquist frequency of the kept columns. How many dB the grey levels span
is not known of these frames: the envelope is that of 60 dB, and numbers are to be
compared with the truth's, not with theory.
"""

import argparse
import csv

import jax
import jax.numpy as jnp
import numpy as np

from experiments.ultrasound.frames import Frame, frames_of
from experiments.ultrasound.regions import windows
from experiments.ultrasound.score import add_arguments, methods_of, parts_of
from sisr_jax.metrics import gcnr, lateral_spectrum, lateral_width, speckle_snr
from sisr_jax.ultrasound import LateralDecimation

RANGE_DB = 60.0
NUMBERS = "speckle_snr lateral_width gcnr beyond".split()
FIELDS = ["kind", "factor", "method", "frames", "with_darker", *NUMBERS]


@jax.jit
def numbers_of(
    images: jax.Array, speckle: jax.Array, dark: jax.Array, nyquist: float
) -> dict[str, jax.Array]:
    """Numbers `[images]`; NaN of windows that are empty."""
    images = images.clip(0, 1)
    envelope = 10 ** (RANGE_DB * (images - 1) / 20)
    curve = lateral_spectrum(images, column_mm=1)
    power = jnp.where(curve.frequencies > nyquist, curve.values, 0.0)
    masks = speckle[..., None], dark[..., None]
    return {
        "speckle_snr": speckle_snr(envelope[..., None], masks[0]),
        "lateral_width": lateral_width(envelope[..., None], masks[0]),
        "gcnr": gcnr(images[..., None], *masks),
        "beyond": jnp.sum(power, -1) / jnp.sum(curve.values, -1),
    }


def rows_of(frames: list[Frame], factor: int, methods: dict) -> list[list]:
    """Means of each method over frames of each kind."""
    found: dict[tuple[str, str], list[dict]] = {}
    for some in parts_of(frames, whole=False):
        truth = np.stack([each.image for each in some])
        speckle, dark = (
            np.stack(masks)
            for masks in zip(*(windows(each) for each in truth), strict=True)
        )
        operator = LateralDecimation(factor)
        lines = operator(jnp.asarray(truth))
        images = {"Truth": jnp.asarray(truth)}
        images |= {name: method(lines, operator) for name, method in methods.items()}
        for name, image in images.items():
            numbers = jax.device_get(numbers_of(image, speckle, dark, 0.5 / factor))
            for i, frame in enumerate(some):
                row = {key: float(value[i]) for key, value in numbers.items()}
                found.setdefault((frame.kind, name), []).append(row)
    rows = []
    for (kind, name), each in sorted(found.items()):
        columns = np.array([[row[key] for key in NUMBERS] for row in each])
        columns[~np.isfinite(columns)] = np.nan
        with_darker = int(np.isfinite(columns[:, NUMBERS.index("gcnr")]).sum())
        means = np.nanmean(columns, 0)
        row = [kind, factor, name, len(each), with_darker, *(f"{m:.4f}" for m in means)]
        rows.append(row)
        print(*row, flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    arguments = parser.parse_args()
    frames = frames_of(arguments.data, arguments.split)
    rows = []
    for factor in arguments.factors:
        rows += rows_of(frames, factor, methods_of(arguments, factor))
    with arguments.output.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])


if __name__ == "__main__":
    main()
