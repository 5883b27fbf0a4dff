"""Small valid files of every variety that is accepted, the same ones in every run."""

import gzip
import io
import tarfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import scipy.io
import tensorflow_datasets as tfds
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from experiments.reliability.fuzzing.enhanced_dicom import (
    place_group,
    rescale_group,
    write_enhanced,
)
from experiments.reliability.fuzzing.handmade_tiff import write_by_hand
from experiments.reliability.fuzzing.images import ramp, write_dicom, write_png
from experiments.reliability.fuzzing.tfds_folder import write_records
from sisr_jax.data.encodings import slice_feature, volume_feature


def write_seeds(folder: Path, kind: str) -> list[Path]:
    """Valid files of a format, of every variety that is accepted."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4000, (12, 10)).astype(np.uint16)
    return list(_WRITERS[kind](folder, values))


def _write_png(folder, values):
    yield write_png(folder / "a.png", values)
    grey = (values % 256).astype(np.uint8)
    yield write_png(folder / "b.png", grey)
    yield write_png(folder / "c.png", np.stack([grey] * 3, axis=-1))


def _write_jpeg(folder, values):
    grey = (values % 256).astype(np.uint8)
    for name, pixels in (("a.jpg", grey), ("b.jpeg", np.stack([grey] * 3, axis=-1))):
        image = Image.fromarray(pixels)
        image.save(folder / name, quality=100, progressive=name == "a.jpg")
        yield folder / name


def _write_tiff(folder, values):
    pages = [Image.fromarray(values + i) for i in range(3)]
    pages[0].save(folder / "a.tif", save_all=True, append_images=pages[1:])
    floats = Image.fromarray(values.astype(np.float32))
    floats.save(folder / "b.tiff", compression="tiff_adobe_deflate")
    small = Image.fromarray((values % 256).astype(np.uint8))
    small.save(folder / "c.tif", compression="tiff_lzw")
    written = [folder / "a.tif", folder / "b.tiff", folder / "c.tif"]
    real = values.astype(np.float64) / 7
    for name, pixels, options in (
        ("d", values.astype(np.int16) - 2000, {"kind": 2, "codec": "tiff_lzw"}),
        ("e", real.astype(np.float32), {"kind": 3, "codec": "deflate", "predictor": 3}),
        ("f", real, {"kind": 3, "big": True}),
        (
            "g",
            values,
            {"text": "ImageJ=1.5\nimages=2\nslices=2\n", "behind": values.tobytes()},
        ),
    ):
        path = folder / f"{name}.tif"
        written.append(write_by_hand(path, pixels, order=">", **options))
    return written


def _write_npy(folder, values):
    np.save(folder / "a.npy", values.astype(np.float32))
    np.save(folder / "b.npy", values.astype(">i2"))
    return [folder / "a.npy", folder / "b.npy"]


def _write_npz(folder, values):
    np.savez(folder / "a.npz", image=values.astype(np.float64))
    np.savez_compressed(folder / "b.npz", image=values, spacing=np.ones(2))
    return [folder / "a.npz", folder / "b.npz"]


def _write_dicom(folder, values):
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
    bare = pydicom.Dataset()
    bare.update(dataset)
    bare.save_as(folder / "e.dcm", implicit_vr=True, little_endian=True)
    yield folder / "e.dcm"


def _write_frames(folder, values):
    """Of DICOM, with several images or in lossy colour."""
    slices = [values.astype(np.int16) - 500 + i for i in range(3)]
    own = [[rescale_group(1, -24 - i), place_group(i)] for i in range(3)]
    path = write_enhanced(folder / "a.dcm", slices, own=own)
    _fix(path, PixelPaddingValue=("SS", -400))
    yield path
    grey = (values % 256).astype(np.uint8)
    coloured = np.stack([grey] * 3, axis=-1)
    for name, syntax, pixels, options in (
        ("b", JPEGBaseline8Bit, coloured, {"format": "JPEG", "quality": 100}),
        ("c", JPEG2000Lossless, grey, {"format": "JPEG2000", "no_jp2": True}),
    ):
        path = write_dicom(folder / f"{name}.dcm", pixels, Modality="US")
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, **options)
        dataset = pydicom.dcmread(path)
        dataset.PixelData = encapsulate([file.getvalue()] * 2)
        dataset["PixelData"].VR = "OB"
        dataset.NumberOfFrames = 2
        dataset.file_meta.TransferSyntaxUID = syntax
        if pixels.ndim == 3:
            dataset.PhotometricInterpretation = "YBR_FULL_422"
        dataset.save_as(path)
        _fix(path)
        yield path


def _fix(path, **elements):
    """Identifiers that are not new ones in every run, and some elements."""
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    for keyword, (vr, value) in elements.items():
        dataset.add_new(keyword, vr, value)
    dataset.save_as(path)


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
    # Mutants reach inside.
    (folder / "d.nii.gz").write_bytes(gzip.compress(data, 0, mtime=0))
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
    return [folder / "a.mat", folder / "b.mat"]


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
    "jpeg": _write_jpeg,
    "tiff": _write_tiff,
    "npy": _write_npy,
    "npz": _write_npz,
    "dicom": _write_dicom,
    "frames": _write_frames,
    "nifti": _write_nifti,
    "csv": _write_csv,
    "mat": _write_mat,
    "tar": _write_tar,
    "tfds": _write_tfds,
}
