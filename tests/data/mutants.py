"""Damaged copies of small valid files, the same ones in every run."""

import os
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from mutant_seeds import write_seeds

from sisr_jax.data.collections.archive import open_archive
from sisr_jax.data.collections.matlab import read_mat
from sisr_jax.data.formats.headers import Header
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.data.persons import find_patient
from sisr_jax.data.records import Records
from sisr_jax.data.splits import read_assignments
from sisr_jax.errors import InputError

FORMATS = (
    "png",
    "jpeg",
    "tiff",
    "npy",
    "npz",
    "dicom",
    "frames",
    "nifti",
    "csv",
    "mat",
    "tar",
    "tfds",
)
# Sizes and counts that a header may claim.
_FORGED = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**24 + 1)


def mutate(data: bytes, number: int) -> bytes:
    """Mutant `number` of a file: bytes flipped, cut off, moved or lengths forged."""
    rng = np.random.default_rng([number, len(data)])
    mutant = bytearray(data)
    # Headers decide most; half of the damage goes there.
    reach = len(data) if rng.random() < 0.5 else min(len(data), 400)
    where = int(rng.integers(reach))
    kind = number % 5
    if kind == 0:
        for position in rng.integers(reach, size=rng.integers(1, 9)):
            mutant[position] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del mutant[where:]
    elif kind == 2:
        for position in rng.integers(reach, size=rng.integers(1, 4)):
            order = "<>"[rng.integers(2)]
            width, bound = [("H", 0xFFFF), ("I", 2**32 - 1)][rng.integers(2)]
            value = min(_FORGED[rng.integers(len(_FORGED))], bound)
            forged = struct.pack(order + width, value)
            mutant[position : position + len(forged)] = forged
    elif kind == 3:
        other = int(rng.integers(len(data)))
        length = int(rng.integers(1, 64))
        mutant[where : where + length] = data[other : other + length]
    else:
        mutant[where:where] = rng.bytes(int(rng.integers(1, 40)))
    if mutant[12:16] == b"IHDR" and number % 2:  # a forged header that is consistent
        mutant[29:33] = struct.pack(">I", zlib.crc32(mutant[12:29]))
    return bytes(mutant)


def try_mutants(folder: Path, kind: str, numbers: range) -> dict[str, int]:
    """Reads mutants of each seed in turn; whatever is neither image nor error raises.

    Returns:
        How many were read and how many refused.
    """
    seeds = [(path, path.read_bytes()) for path in write_seeds(folder, kind)]
    before = _listing(folder)
    result = {"read": 0, "refused": 0}
    for number in numbers:
        path, data = seeds[number % len(seeds)]
        path.write_bytes(mutate(data, number))
        try:
            use(path, kind)
            result["read"] += 1
        except InputError as error:
            if "\n" in str(error) or "SECRET" in str(error):
                raise AssertionError(f"mutant {number} of {path.name}") from error
            result["refused"] += 1
        except Exception as error:
            raise AssertionError(
                f"mutant {number} of {path.name}: {error!r}"
            ) from error
        path.write_bytes(data)
    assert _listing(folder) == before, "something was written"
    return result


def use(path: Path, kind: str) -> list[np.ndarray]:
    """Everything that the package does with a file; returns its images."""
    if kind == "csv":
        assert all(file.is_file() for file in read_assignments(path, root=path.parent))
        return []
    if kind == "mat":
        return list(_arrays(path.read_bytes()))
    if kind == "tar":
        archive = open_archive(path)
        contents = [archive.read(n, max_bytes=2**20) for n in archive.members]
        return [array for data in contents for array in _arrays(data)]
    if kind == "tfds":
        records = list(Records(str(path.parent), "train"))
        return [record["image"][..., 0] for record in records]
    find_patient(path, root=path.parent)
    header = check_file(path)
    assert isinstance(header, Header)
    images = list(read_images(path, range(min(header.count, 8)), (1.0, -32768.0)))
    for image in images:
        assert image.shape == header.shape
        assert image.dtype == np.float32
        assert np.isfinite(image).all()
    return images


def _arrays(data):
    return read_mat(data, ("iq", "dtce"), label="a.mat").values()


def _listing(folder):
    return sorted(os.path.join(root, n) for root, _, ns in os.walk(folder) for n in ns)


def _peak_megabytes():
    """Of this program alone; `getrusage` goes on from the peak of its parent."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) // 1024


if __name__ == "__main__":
    for kind in FORMATS:
        folder = Path(sys.argv[1], kind)
        folder.mkdir()
        found = try_mutants(folder, kind, range(int(sys.argv[2])))
        print(kind, found["read"], found["refused"], _peak_megabytes())
