"""What a random slice of a NIfTI volume costs, compressed as a whole or not."""

import argparse
import csv
import pathlib
import sys
import tempfile
import time

import nibabel
import numpy as np
from PIL import Image

from sisr_jax.data.formats.readers import read_images

HERE = pathlib.Path(__file__).parent


def volume(files, count):
    """HU of 16-bit slices as a volume of `count`, over again where they end."""
    slices = [np.asarray(Image.open(files[i % len(files)])) for i in range(count)]
    return (np.stack(slices, axis=-1).astype(np.int32) - 32768).astype(np.int16)


def measure(path, count, reads):
    """CPU milliseconds of a slice, mean of random ones."""
    rng = np.random.default_rng(0)
    start = time.process_time()
    for index in rng.integers(count, size=reads):
        list(read_images(path, [int(index)], (1.0, 0.0)))
    return 1000 * (time.process_time() - start) / reads


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--reads", type=int, default=24)
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "volumes.csv")
    options = parser.parse_args(arguments)
    image = nibabel.Nifti1Image(
        volume(sorted(options.slices.glob("*.png"))[: options.count], options.count),
        np.eye(4),
    )
    rows = []
    for name in (".nii", ".nii.gz"):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, f"volume{name}")
            nibabel.save(image, path)
            cost = measure(path, options.count, options.reads)
            size = path.stat().st_size / 2**20
        rows.append((name, f"{cost:.3f}", f"{size:.1f}"))
        print(f"{name}: {cost:.1f} CPU ms a slice, {size:.0f} MiB")
    with options.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "CPU ms/slice", "MiB"])
        writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
