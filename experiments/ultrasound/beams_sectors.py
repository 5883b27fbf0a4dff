"""Which recorded pictures can be brought back to beams: a csv of acquisitions.

    python -m experiments.ultrasound.beams_sectors --data ../shared/data

A sector is fitted to what any frame of a patient or video shows, and refused where the
outline is none. Where it fits, a frame is read along 256 lines and drawn again: PSNR
inside the sector says what the way there and back costs.
"""

import argparse
import csv
import pathlib

import numpy as np
from PIL import Image

from sisr_jax.metrics import psnr
from sisr_jax.ultrasound import fan_mask, to_cartesian, to_polar
from sisr_jax.ultrasound.sector_fit import fit_sector

# Levels of 255 that noise of the compression does not reach.
DARK = 2


def acquisitions(data: pathlib.Path) -> dict[tuple[str, tuple[int, int]], list]:
    """Frames by video, or by patient, and by size."""
    found: dict[tuple[str, tuple[int, int]], list] = {}
    with (data / "manifest.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["file"].startswith("us/"):
                image = np.asarray(Image.open(data / row["file"]))
                name = row["video_id"] or row["patient"]
                found.setdefault((name, image.shape), []).append(image)
    return found


def main() -> None:
    """Writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument(
        "--csv", default=pathlib.Path(__file__).with_name("beams_sectors.csv")
    )
    options = parser.parse_args()
    rows = []
    for (name, shape), images in sorted(acquisitions(options.data).items()):
        row = {"acquisition": name, "shape": f"{shape[0]}x{shape[1]}"}
        row["frames"] = len(images)
        lit = np.any([image > DARK for image in images], 0)
        try:
            fit = fit_sector(lit, num_depths=2 * max(shape), num_lines=512)
        except ValueError as error:
            rows.append(row | {"refused": str(error).partition(":")[0]})
            continue
        image = images[0].astype(np.float32) / 255
        beams = to_polar(image, fit.polar, fit.cartesian)
        again = to_cartesian(beams, fit.polar, fit.cartesian)
        mask = fan_mask(fit.polar, fit.cartesian)[..., None]
        first, last = np.degrees(fit.polar.angles[[0, -1]])
        trip = float(psnr(again[..., None], image[..., None], mask=mask))
        row |= {"overlap": f"{fit.overlap:.4f}", "first_deg": f"{first:.1f}"}
        row |= {"last_deg": f"{last:.1f}", "round_trip_psnr": f"{trip:.2f}"}
        rows.append(row)
        print(*row.values(), flush=True)
    fields = dict.fromkeys(key for row in rows for key in row)
    with open(options.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, fields, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
