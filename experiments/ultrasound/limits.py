"""What kept columns can tell: aliasing, and the best that is linear.

    python -m experiments.ultrasound.limits --data FOLDER --output limits.csv

Two oracles, both of which look at the complete frame. `band`: the frame without what is
above the Nyquist frequency of the kept columns along the width: what an interpolation
would give that undid all aliasing and invented nothing. `linear`: each missing column
as a weighted sum of the 4 kept columns around it in 11 rows, with the weights of least
squares on the very frame: no linear interpolation of this reach can be better there.
`energy_above` is the share of the variance along the width above that frequency.
"""

import argparse
import csv
import pathlib

import numpy as np

from experiments.ultrasound.frames import frames_of, middle
from sisr_jax.image.resize import aligned_columns

FIELDS = "file kind video factor energy_above bicubic band linear".split()
_COLUMNS, _ROWS = 2, 5


def level(image: np.ndarray, target: np.ndarray) -> float:
    """PSNR of a clipped image."""
    return float(-10 * np.log10(np.square(image.clip(0, 1) - target).mean()))


def below(target: np.ndarray, factor: int) -> tuple[np.ndarray, float]:
    """The part below the kept columns' Nyquist frequency, and the rest's share."""
    mirrored = np.concatenate([target, target[:, ::-1]], 1)
    spectrum = np.fft.rfft(mirrored, axis=1)
    is_above = np.fft.rfftfreq(mirrored.shape[1]) > 0.5 / factor
    energy = np.square(np.abs(spectrum[:, 1:]))
    share = energy[:, is_above[1:]].sum() / energy.sum()
    image = np.fft.irfft(np.where(is_above, 0, spectrum), axis=1)
    return image[:, : target.shape[1]], float(share)


def best_linear(target: np.ndarray, factor: int) -> np.ndarray:
    """Missing columns from the kept ones around them, weights fitted to the frame."""
    kept = target[:, ::factor]
    height, count = kept.shape
    around = np.pad(kept, ((_ROWS, _ROWS), (_COLUMNS - 1, _COLUMNS)), mode="edge")
    seen = [
        around[row : row + height, column : column + count].ravel()
        for row in range(2 * _ROWS + 1)
        for column in range(2 * _COLUMNS)
    ]
    seen = np.stack([*seen, np.ones(kept.size)], 1)
    missing = np.stack([target[:, k::factor].ravel() for k in range(1, factor)], 1)
    image = target.copy()
    weights = np.linalg.lstsq(seen, missing, rcond=None)[0]
    for k, column in enumerate((seen @ weights).T, 1):
        image[:, k::factor] = column.reshape(height, count)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description="What kept columns can tell.")
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    frames = frames_of(arguments.data, arguments.split)
    videos = {name: i for i, name in enumerate(sorted({f.video for f in frames}), 1)}
    rows = []
    for frame in frames:
        target = middle(frame.image).astype(np.float64)
        for factor in (16, 8, 4, 2):
            kept = target[:, ::factor, None].astype(np.float32)
            cubic = aligned_columns(kept, factor=factor, interpolation="cubic")
            band, share = below(target, factor)
            levels = [
                level(image, target)
                for image in (
                    np.asarray(cubic)[..., 0],
                    band,
                    best_linear(target, factor),
                )
            ]
            row = [frame.file.name, frame.kind, videos[frame.video], factor]
            rows.append([*row, *(f"{n:.5f}" for n in (share, *levels))])
    with arguments.output.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([FIELDS, *rows])
    print("| frames | factor | energy above | bicubic | linear oracle | band oracle |")
    print("|---|---|---|---|---|---|")
    for kind in sorted({f.kind for f in frames}):
        for factor in (16, 8, 4, 2):
            own = [row for row in rows if row[1] == kind and row[3] == factor]
            share, cubic, band, linear = np.mean(
                [[float(n) for n in row[4:]] for row in own], 0
            )
            print(
                f"| {kind} | x{factor} | {100 * share:.2f} % | {cubic:.2f} "
                f"| {linear:.2f} | {band:.2f} |"
            )


if __name__ == "__main__":
    main()
