"""How many 512x512 16-bit slices a second come out of prepared records, and why."""

import argparse
import csv
import functools
import os
import pathlib
import sys
import tempfile
import time

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from sisr_jax.config import Data
from sisr_jax.data.collections.builder import PlannedBuilder
from sisr_jax.data.encodings import decode_png, slice_feature
from sisr_jax.data.phantoms.ct import ct_phantom
from sisr_jax.data.pipeline import training_batches
from sisr_jax.data.plan import Plan, Planned
from sisr_jax.data.records import Records, TfdsSource
from sisr_jax.data.shards import write_dataset
from sisr_jax.data.transforms import (
    check_finite,
    check_fit,
    is_constant,
    to_unit_range,
)

HERE = pathlib.Path(__file__).parent
SIZE = 512
BATCH = 8


class Slices(PlannedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=n) for n in ("png", "zlib", "raw")]  # noqa: RUF012  # TFDS declares it as a plain list

    def _info(self):
        feature = slice_feature(self.builder_config.name, (SIZE, SIZE))
        features = tfds.features.FeaturesDict({"image": feature})
        return tfds.core.DatasetInfo(builder=self, features=features)


def phantoms(folder, count):
    for i in range(count):
        hu = ct_phantom(0, i, SIZE)
        Image.fromarray((hu.round() + 32768).astype(np.uint16)).save(
            folder / f"{i:04d}.png"
        )


def record(file, encoding):
    data = file.read_bytes()
    return {"image": data if encoding == "png" else decode_png(data)[..., None]}


def prepare(files, encoding, folder):
    planned = [
        Planned(file.name, functools.partial(record, file, encoding)) for file in files
    ]
    plan = Plan({"train": planned}, [], encoding)
    builder = Slices(data_dir=folder, config=encoding)
    return str(write_dataset(builder, plan, shard_size=512).folder)


def clock(read, count):
    """CPU seconds a slice, one thread reading in order."""
    start = time.process_time()
    for i in range(count):
        read(i)
    return (time.process_time() - start) / count


def stages(path, config, rounds):
    """CPU milliseconds a slice of each stage, the least of some rounds.

    The first four are differences of readers that do one thing more each.
    """
    builder = tfds.builder_from_directory(path)
    methods = tfds.decode.DeserializeMethod
    raw = builder.as_data_source("train", deserialize_method=methods.RAW_BYTES)
    bare = {"image": tfds.decode.SkipDecoding()}
    packed = builder.as_data_source("train", decoders=bare)
    records, source = Records(path, "train"), TfdsSource(config, "train")
    nested = {
        "read": lambda i: raw[i],
        "parse": lambda i: packed[i],
        "decode": lambda i: records[i],
        "convert": lambda i: source[i],
    }
    image = source[0]
    images = [np.zeros((SIZE, SIZE, 1), np.float32)] * BATCH
    others = {
        "check and window": lambda _: check_and_window(image, config),
        "batch": lambda i: i % BATCH or np.stack(images),
    }
    readers = nested | others
    count = len(records)
    times = [[clock(r, count) for r in readers.values()] for _ in range(rounds)]
    least = np.min(times, axis=0)
    least[: len(nested)] = np.diff(least[: len(nested)], prepend=0)
    return dict(zip(readers, 1000 * least, strict=True))


def check_and_window(image, config):
    check_fit(image.shape, config.shape, fit=config.fit, name="")
    check_finite(image, name="")
    is_constant(to_unit_range(image, config.window))


def pipeline(path, config, steps):
    """Slices a second of wall time, and CPU milliseconds a slice, all threads."""
    source = TfdsSource(config, "train")  # no cache: each slice is decoded
    with training_batches(source, config, seed=0, start_step=0) as batches:
        for _ in range(config.num_threads + 2):  # what was fetched ahead is not counted
            next(batches)
        before, cpu = batches.rate, time.process_time()
        for _ in range(steps):
            next(batches)
        cpu = time.process_time() - cpu
        after = batches.rate
    images = after.images - before.images
    return images / (after.seconds - before.seconds), 1000 * cpu / images


def measure(files, rounds, steps):
    rows = []
    for encoding in ("png", "zlib", "raw"):
        with tempfile.TemporaryDirectory() as folder:
            path = prepare(files, encoding, folder)
            size = sum(f.stat().st_size for f in pathlib.Path(path).glob("*record*"))
            rows.append((encoding, "size", "", size / len(files) / 1024, "KiB/slice"))
            config = make_config(path, 1)
            for name, value in stages(path, config, rounds).items():
                rows.append((encoding, name, 1, value, "CPU ms/slice"))
            for threads in (1, 2, 4):
                runs = [
                    pipeline(path, make_config(path, threads), steps)
                    for _ in range(rounds)
                ]
                rate, cpu = max(r for r, _ in runs), min(c for _, c in runs)
                rows.append((encoding, "pipeline", threads, rate, "slices/s"))
                rows.append((encoding, "pipeline", threads, cpu, "CPU ms/slice"))
                print(encoding, threads, [f"{r:.0f}/s {c:.2f} ms" for r, c in runs])
    return rows


def make_config(path, threads):
    return Data(
        source="tfds",
        path=path,
        target="image",
        splits_csv="",
        split_by="patient",
        shape=(SIZE, SIZE),
        fit="exact",
        patch=(SIZE, SIZE),
        window=(-1024.0, 2000.0),
        png_rescale=(1.0, -32768.0),
        num_phantoms=(1, 1, 1),
        batch_size=BATCH,
        num_threads=threads,
    )


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--slices", type=pathlib.Path, help="folder of 16-bit PNG")
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "results.csv")
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        root = options.slices or pathlib.Path(folder)
        if options.slices is None:
            phantoms(root, options.count)
        files = sorted(root.glob("*.png"))[: options.count]
        rows = measure(files, options.rounds, options.steps)
    # Rates are those of the machine only while nothing else runs on it.
    rows += [("machine", "cores", "", os.cpu_count(), "cores")]
    rows += [("machine", "load average before", "", load, "processes")]
    with options.output.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["encoding", "stage", "threads", "value", "unit"])
        writer.writerows((*row[:3], f"{row[3]:.3f}", row[4]) for row in rows)
    describe(rows)


def describe(rows):
    """The best rate of each encoding, and what the machine was doing."""
    for encoding in ("png", "zlib", "raw"):
        runs = [r for r in rows if r[0] == encoding and r[1] == "pipeline"]
        rate, threads = max((r[3], r[2]) for r in runs if r[4] == "slices/s")
        cpu = min(r[3] for r in runs if r[4] == "CPU ms/slice")
        print(f"{encoding}: {rate:.0f} slices/s ({threads} threads), {cpu:.1f} CPU ms")
    cores, load = (row[3] for row in rows if row[0] == "machine")
    print(f"{cores} cores, load average {load:.1f} before the run")


if __name__ == "__main__":
    main(sys.argv[1:])
