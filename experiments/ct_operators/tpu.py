"""What the TPU compiler makes of the CT operators, without a TPU.

    pip install -e ".[aot]"
    python experiments/ct_operators/tpu.py

8 images of 512x512 in float32, every 16th of 1000 angles, one core of each chip.
Prints a table and writes `tpu.csv`; exit code 1 if a bar is missed. Each `matmul`
program takes minutes to compile; `--operation degrade --method matmul` has the bars.
"""

import argparse
import csv
import pathlib
import sys
import time

import jax
import jax.numpy as jnp

from sisr_jax import tomography as ct
from sisr_jax.aot.chips import parse_topology
from sisr_jax.aot.compilation import topology_devices
from sisr_jax.aot.program import Program
from sisr_jax.errors import InputError

SIZE, BATCH, NUM_ANGLES, FACTOR = 512, 8, 1000, 16
CHIPS = ("v5e", "v6e")
METHODS = ("matmul", "reference")
OPERATIONS = ("degrade", "radon", "fbp", "gradient")
MOST_CYCLES = 2.0e6
COLUMNS = (
    *("chip", "method", "operation", "cycles", "arguments_mb", "temporaries_mb"),
    *("while", "gather", "scatter", "compile_seconds"),
)
RESULT = pathlib.Path(__file__).parent / "tpu.csv"


def operation(name, method):
    """The function of rays and images or sinograms, as `operators.Ours` has it."""

    def radon(rays, image):
        return ct.radon(image, rays, method=method)

    def fbp(rays, sinogram):
        return ct.fbp(sinogram, rays, method=method)

    def degrade(rays, image):
        return fbp(rays, radon(rays, image))

    def loss(rays, image, sinogram):
        return jnp.sum((radon(rays, image) - sinogram) ** 2) / 2

    functions = {"radon": radon, "fbp": fbp, "degrade": degrade}
    return functions.get(name) or jax.grad(loss, argnums=1)


def arguments(name, beam, sharding):
    """Shapes of the images and sinograms of an operation."""
    sides = {"image": (SIZE, SIZE), "sinogram": (beam.num_angles, beam.num_detectors)}
    names = {"fbp": ("sinogram",), "gradient": ("image", "sinogram")}
    return [
        jax.ShapeDtypeStruct((BATCH, *sides[each]), jnp.float32, sharding=sharding)
        for each in names.get(name, ("image",))
    ]


def compile_operation(name, method, device):
    """The program of an operation for one device."""
    sharding = jax.sharding.SingleDeviceSharding(device)
    beam = ct.ParallelBeam(SIZE, num_angles=NUM_ANGLES).every(FACTOR)
    shapes = arguments(name, beam, sharding)
    if method == "reference":
        jitted = jax.jit(operation(name, method), static_argnums=0)
        return jitted.lower(beam, *shapes).compile()
    planned = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        ct.plan(beam),
    )
    return jax.jit(operation(name, method)).lower(planned, *shapes).compile()


def row_of(text, arguments_mb, temporaries_mb):
    """The numbers of a compiled program."""
    program = Program(text)
    counts = {kind: program.count(kind) for kind in ("while", "gather", "scatter")}
    return {
        "cycles": program.cycles,
        "arguments_mb": round(arguments_mb),
        "temporaries_mb": round(temporaries_mb),
        **counts,
    }


def measure(chip, method, name):
    """One row of the table."""
    (device,) = topology_devices(parse_topology(f"{chip}:1x1"))
    start = time.perf_counter()
    compiled = compile_operation(name, method, device)
    seconds = round(time.perf_counter() - start)
    stats = compiled.memory_analysis()
    numbers = row_of(
        compiled.as_text(),
        stats.argument_size_in_bytes / 1e6,
        stats.temp_size_in_bytes / 1e6,
    )
    case = {"chip": chip, "method": method, "operation": name}
    return {**case, **numbers, "compile_seconds": seconds}


def missed(row):
    """The bars that a row misses, in words."""
    where = f"{row['chip']} {row['method']} {row['operation']}"
    if row["method"] == "matmul" and row["while"]:
        yield f"{where}: {row['while']} loops, the bar is none"
    case = row["chip"], row["method"], row["operation"]
    if case == ("v5e", "matmul", "degrade") and row["cycles"] > MOST_CYCLES:
        million = row["cycles"] / 1e6
        yield f"{where}: {million:.2f} M cycles, the bar is {MOST_CYCLES / 1e6} M"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chip", nargs="+", choices=CHIPS, default=CHIPS)
    parser.add_argument("--method", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument(
        "--operation", nargs="+", choices=OPERATIONS, default=OPERATIONS
    )
    parser.add_argument("--out", type=pathlib.Path, default=RESULT)
    options = parser.parse_args()
    jax.config.update("jax_platforms", "cpu")
    cases = [
        (chip, method, name)
        for chip in options.chip
        for method in options.method
        for name in options.operation
    ]
    failures = []
    print(",".join(COLUMNS))
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for case in cases:
            try:
                row = measure(*case)
            except InputError as error:
                print(f"error: {error}", file=sys.stderr)
                return 2
            writer.writerow(row)
            file.flush()
            print(",".join(str(row[column]) for column in COLUMNS), flush=True)
            failures += missed(row)
    print("\n".join(failures) or "all bars met")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
