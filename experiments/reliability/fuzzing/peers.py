"""The same files by readers that share no code with the package, where there are any.

Each gives what the package should: a list of images in physical values, or whatever a
table or an archive holds. What was never measured is NaN.
"""

import csv
import io
import tarfile
import warnings

import nibabel
import numpy as np
import pydicom
import scipy.io
import tifffile
from PIL import Image, ImageSequence
from pydicom.uid import ImplicitVRLittleEndian

from experiments.reliability.fuzzing.targets import AloneError

_STORED_INTERCEPT = -32768.0  # of `png_rescale`, with a slope of 1
_OUTSIDE_HU = -1500.0
_MAX_IMAGES = 8


def difference(kind, path, answer):
    """What the package reads otherwise; empty if it is the same.

    Raises:
        AloneError: If the other reader refuses the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = _PEERS[kind](path)
    except Exception as error:
        raise AloneError(f"{type(error).__name__}: {error}") from error
    return _COMPARE.get(kind, _compare_images)(answer, expected)


def _read_pillow(path):
    with Image.open(path) as image:
        return [_stored(np.asarray(image))]


def _stored(values):
    grey = values
    if values.ndim > 2:
        channels = values[..., :3].astype(float)
        luma = np.rint(channels @ [0.299, 0.587, 0.114])
        same = (np.ptp(channels, axis=-1)) == 0
        grey = np.where(same, channels[..., 0], luma)
    if grey.dtype == bool:
        raise AloneError("one bit")
    return grey.astype(float) + _STORED_INTERCEPT


def _read_tiff(path):
    try:
        with tifffile.TiffFile(path) as file:
            pages = file.series[0].asarray() if file.is_imagej else None
            if pages is None:
                pages = np.stack([page.asarray() for page in file.pages])
            pages = pages.reshape(-1, *pages.shape[-2:])
            images = (file.imagej_metadata or {}).get("images", len(pages))
        if images != len(pages):  # it goes by the slices, ImageJ by the images
            raise AloneError(f"{len(pages)} slices, {images} images")
    except AloneError:
        raise
    except Exception:
        # What tifffile cannot decompress by itself. Pillow mistakes the byte order.
        if path.read_bytes()[:2] != b"II":
            raise
        with Image.open(path) as image:
            pages = [np.array(page) for page in ImageSequence.Iterator(image)]
    return [_physical(page) for page in pages]


def _physical(page):
    return _stored(page) if page.dtype.kind == "u" else page.astype(float)


def _read_npy(path):
    return [np.load(path, allow_pickle=False).astype(float)]


def _read_npz(path):
    with np.load(path, allow_pickle=False) as archive:
        name = archive.files[0] if len(archive.files) == 1 else "image"
        return [archive[name].astype(float)]


def _read_dicom(path):
    dataset = pydicom.dcmread(path, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:  # a file without a preamble
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    pixels = dataset.pixel_array
    if dataset.SamplesPerPixel == 3:
        pixels = _stored(pixels) - _STORED_INTERCEPT
    pixels = pixels.reshape(-1, *pixels.shape[-2:])
    images = []
    for number, stored in enumerate(pixels[:_MAX_IMAGES]):
        slope, intercept = _rescale(dataset, number)
        image = stored.astype(float) * slope + intercept
        images.append(np.where(_is_padding(dataset, stored, image), np.nan, image))
    return images


def _rescale(dataset, number):
    places = [dataset]
    for name, place in (
        ("SharedFunctionalGroupsSequence", 0),
        ("PerFrameFunctionalGroupsSequence", number),
    ):
        if groups := dataset.get(name):
            places += groups[place].get("PixelValueTransformationSequence") or ()
    for place in reversed(places):
        if "RescaleSlope" in place:
            return float(place.RescaleSlope), float(place.RescaleIntercept)
    return 1.0, 0.0


def _is_padding(dataset, stored, image):
    found = np.zeros(image.shape, bool)
    if dataset.get("Modality") == "CT":
        found |= image <= _OUTSIDE_HU
    value = dataset.get("PixelPaddingValue")
    if isinstance(value, int):
        limit = dataset.get("PixelPaddingRangeLimit")
        ends = sorted([value, limit if isinstance(limit, int) else value])
        # Some files state the value in the other sign.
        for shift in (0, 2**dataset.BitsAllocated, -(2**dataset.BitsAllocated)):
            found |= (ends[0] + shift <= stored) & (stored <= ends[1] + shift)
    return found


def _read_nifti(path):
    image = nibabel.as_closest_canonical(nibabel.load(path))
    volume = np.asarray(image.dataobj, float)
    volume = volume.reshape(volume.shape[:3])
    # The axes run to the patient's right, to the front and up; rows of a displayed
    # slice run to the back, its columns to the left.
    slices = volume[::-1, ::-1, :].transpose(2, 1, 0)
    return list(slices[:_MAX_IMAGES])


def _compare_images(answer, expected):
    header, images = answer
    count = min(header.count, _MAX_IMAGES)
    if len(images) != count or len(expected[:_MAX_IMAGES]) != count:
        return f"{len(images)} images of {header.count}, expected {len(expected)}"
    for number, (image, values) in enumerate(zip(images, expected, strict=False)):
        if image.shape != values.shape:
            return f"image {number} of {image.shape}, expected {values.shape}"
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(np.float32)
        wrong = (image != values) & ~np.isnan(values)
        close = np.isclose(image, values, rtol=1e-6, atol=0)
        if (wrong & ~close).any():
            place = tuple(int(i) for i in np.argwhere(wrong & ~close)[0])
            return f"image {number} at {place}: {image[place]}, not {values[place]}"
    return ""


def _read_csv(path):
    text = path.read_text(encoding="utf-8-sig")
    names = {"train": "train", "val": "validation", "validation": "validation"}
    names["test"] = "test"
    rows = csv.DictReader(io.StringIO(text, newline=""), restval="")
    return {row["file"]: names[row["split"]] for row in rows}


def _read_mat(path):
    return scipy.io.loadmat(path, variable_names=["iq", "dtce"])


def _read_tar(path):
    with tarfile.open(path, mode="r:") as archive:
        files = [info for info in archive if info.isreg() and not info.issparse()]
        return {
            str(info.name): archive.extractfile(info).read()
            for info in files
            if not info.name.startswith("/") and ".." not in info.name.split("/")
        }


def _compare_tables(answer, expected):
    return "" if answer == expected else f"{answer}, not {expected}"


def _compare_arrays(answer, expected):
    for name, array in answer.items():
        other = expected.get(name)
        if other is None or not np.array_equal(array, other, equal_nan=True):
            return f"{name} differs"
        if array.dtype != other.dtype:
            return f"{name} of {array.dtype}, not {other.dtype}"
    return ""


def _compare_members(answer, expected):
    if answer.keys() != expected.keys():
        return f"files {[*answer]}, not {[*expected]}"
    wrong = [name for name in answer if answer[name] != expected[name]]
    return f"{wrong} differ" if wrong else ""


_PEERS = {
    "png": _read_pillow,
    "jpeg": _read_pillow,
    "tiff": _read_tiff,
    "npy": _read_npy,
    "npz": _read_npz,
    "dicom": _read_dicom,
    "frames": _read_dicom,
    "nifti": _read_nifti,
    "csv": _read_csv,
    "mat": _read_mat,
    "tar": _read_tar,
}
_COMPARE = {
    "csv": _compare_tables,
    "mat": _compare_arrays,
    "tar": _compare_members,
}
