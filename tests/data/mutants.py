"""Damaged copies of small valid files, the same ones in every run."""

import gzip
import io
import os
import re
import struct
import sys
import tarfile
import zlib
from pathlib import Path

import nibabel
import numpy as np
import scipy.io
from image_files import ramp, write_dicom, write_png
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian, RLELossless
from tfds_folder import write_records

from sisr_jax.data.collections.archive import open_archive
from sisr_jax.data.collections.matlab import read_mat
from sisr_jax.data.encodings import slice_feature, volume_feature
from sisr_jax.data.formats.headers import Header
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.data.persons import find_patient
from sisr_jax.data.records import Records
from sisr_jax.data.splits import read_assignments
from sisr_jax.errors import InputError

FORMATS = ("png", "tiff", "npz", "dicom", "nifti", "csv", "mat", "tar", "tfds")
# Sizes and counts that a header may claim.
_FORGED = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**32 - 1, 2**24 + 1)


def write_seeds(folder: Path, kind: str) -> list[Path]:
    """Valid files of a format, of every variety that is accepted."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4000, (12, 10)).astype(np.uint16)
    return list(_WRITERS[kind](folder, values))


def _write_png(folder, values):
    yield write_png(folder / "a.png", values)
    yield write_png(folder / "b.png", (values % 256).astype(np.uint8))


def _write_tiff(folder, values):
    pages = [Image.fromarray(values + i) for i in range(3)]
    pages[0].save(folder / "a.tif", save_all=True, append_images=pages[1:])
    floats = Image.fromarray(values.astype(np.float32))
    floats.save(folder / "b.tiff", compression="tiff_adobe_deflate")
    small = Image.fromarray((values % 256).astype(np.uint8))
    small.save(folder / "c.tif", compression="tiff_lzw")
    return [folder / "a.tif", folder / "b.tiff", folder / "c.tif"]


def _write_npz(folder, values):
    np.savez(folder / "a.npz", image=values.astype(np.float64))
    np.savez_compressed(folder / "b.npz", image=values, spacing=np.ones(2))
    return [folder / "a.npz", folder / "b.npz"]


def _write_dicom(folder, values):
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    place = {
        "SeriesInstanceUID": "1.2.3",
        "ImagePositionPatient": [0, 0, 5],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.7, 0.7],
        "Modality": "CT",
    }
    dataset = pydicom.dcmread(write_dicom(folder / "a.dcm", values, **place))
    dataset.SOPInstanceUID = "1.2.3.4"  # not a new one in every run
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.save_as(folder / "a.dcm")
    yield folder / "a.dcm"
    for name, syntax in (("b", RLELossless), ("c", DeflatedExplicitVRLittleEndian)):
        dataset = pydicom.dcmread(folder / "a.dcm")
        if syntax == RLELossless:
            dataset.compress(syntax, generate_instance_uid=False)
        else:
            dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(folder / f"{name}.dcm")
        yield folder / f"{name}.dcm"
    dataset = pydicom.dcmread(folder / "a.dcm")
    swapped = pydicom.Dataset()
    swapped.update(dataset)
    swapped.file_meta = dataset.file_meta
    swapped.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    swapped.PixelData = dataset.pixel_array.byteswap().tobytes()
    swapped["PixelData"].VR = "OW"
    swapped.save_as(folder / "d.dcm", enforce_file_format=True)
    yield folder / "d.dcm"


def _write_nifti(folder, values):
    volume = np.stack([values + i for i in range(4)], axis=-1).astype(np.int16)
    image = nibabel.Nifti1Image(volume, np.diag([-0.7, 0.7, 3.0, 1.0]))
    image.header.set_slope_inter(2, -1024)
    for name in ("a.nii", "b.nii.gz"):
        nibabel.save(image, folder / name)
        yield folder / name
    nibabel.save(nibabel.Nifti2Image(volume, np.eye(4)), folder / "c.nii")
    yield folder / "c.nii"
    data = gzip.decompress((folder / "b.nii.gz").read_bytes())
    (folder / "d.nii.gz").write_bytes(
        gzip.compress(data, 0, mtime=0)
    )  # mutants reach inside
    yield folder / "d.nii.gz"


def _write_csv(folder, values):
    del values
    (folder / "images").mkdir()
    for i in range(6):
        write_png(folder / f"images/{i}.png", ramp())
    lines = [f"{i}.png,{split},p{i}" for i, split in enumerate(["train", "val"] * 3)]
    path = folder / "images/splits.csv"
    path.write_text("\n".join(["file,split,patient", *lines, ""]))
    return [path]


def _mat(values, **options):
    file = io.BytesIO()
    iq = values.astype(np.complex64)
    scipy.io.savemat(file, {"iq": iq, "dtce": values.astype(float)}, **options)
    return b"MATLAB 5.0 MAT-file".ljust(116) + file.getvalue()[116:]  # no date


def _write_mat(folder, values):
    for name, compress in (("a.mat", False), ("b.mat", True)):
        (folder / name).write_bytes(_mat(values, do_compression=compress))
        yield folder / name


def _write_tar(folder, values):
    data = _mat(values)
    dialects = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
    for name, dialect in zip("abc", dialects, strict=True):
        path = folder / f"{name}.tar"
        with tarfile.open(path, "w", format=dialect) as archive:
            long = "" if name == "a" else "far/" * 40
            for member in ("sub/0.mat", f"{long}1.mat"):
                info = tarfile.TarInfo(member)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        yield path


def _write_tfds(folder, values):
    import tensorflow_datasets as tfds

    features = {
        "image": slice_feature("zlib", values.shape),
        "das": {"dB": tfds.features.Tensor(shape=(None,), dtype=np.float32)},
        "name": tfds.features.Text(),
        "images": volume_feature("png", values.shape),
    }
    page = write_png(folder / "page.png", values).read_bytes()
    (folder / "page.png").unlink()
    record = {
        "image": values[..., None],
        "das": {"dB": np.float32([1, 2])},
        "name": "a",
        "images": [page, page],
    }
    written = Path(write_records(folder, features, [record] * 3))
    return [path for path in sorted(written.iterdir()) if path.is_file()]


_WRITERS = {
    "png": _write_png,
    "tiff": _write_tiff,
    "npz": _write_npz,
    "dicom": _write_dicom,
    "nifti": _write_nifti,
    "csv": _write_csv,
    "mat": _write_mat,
    "tar": _write_tar,
    "tfds": _write_tfds,
}


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
