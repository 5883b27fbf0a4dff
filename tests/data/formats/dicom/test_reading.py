"""DICOM slices from the header check to physical units."""

import numpy as np
import pydicom
import pytest
from image_files import ramp, write_dicom
from pydicom.dataelem import RawDataElement
from pydicom.uid import (
    MPEG2MPML,
    JPEGLSLossless,
    SecondaryCaptureImageStorage,
)

from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.errors import InputError

CT = {"Modality": "CT"}


def read(path):
    images = list(read_images(path, range(check_file(path).count), (7.0, 7.0)))
    assert images[0].dtype == np.float32
    return images


@pytest.mark.parametrize("name", ["a.dcm", "a.DICOM", "IM_0001", "1.2.840.7"])
def test_dicom_is_rescaled_exactly(tmp_path, name):
    values = ramp(dtype=np.int16, start=-100)
    path = write_dicom(tmp_path / name, values)
    np.testing.assert_array_equal(read(path)[0], values * 2.0 - 1024)


def test_what_follows_the_pixels_is_none_of_them(tmp_path):
    """Elements behind them, and padding in their own."""
    path = write_dicom(tmp_path / "a.dcm", ramp())
    dataset = pydicom.dcmread(path)
    dataset.add_new("DataSetTrailingPadding", "OB", b"\x55" * 4096)
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path)[0], ramp() * 2.0 - 1024)
    dataset.Rows = 20
    dataset.save_as(path)
    with pytest.raises(InputError, match="512 bytes for a pixel block of 640"):
        check_file(path)
    dataset.Rows = 16
    dataset.PixelData += b"\x55" * 510  # less than a frame
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path)[0], ramp() * 2.0 - 1024)


@pytest.mark.parametrize(
    ("keyword", "content", "message"),
    [
        ("PixelSpacing", b"0,7\\0,7 ", r"PixelSpacing = .*0,7.*, expected numbers"),
        ("RescaleSlope", b"12x ", "RescaleSlope = 12x, expected numbers"),
        ("RescaleIntercept", b"ab", "RescaleIntercept = ab, expected numbers"),
        (
            "ImagePositionPatient",
            b"a\\b\\c ",
            "ImagePositionPatient = .*, exp",
        ),
    ],
)
def test_numbers_that_are_none_are_named(tmp_path, keyword, content, message):
    elements = {"PixelSpacing": [1, 1], "ImagePositionPatient": [0, 0, 1]}
    path = write_dicom(
        tmp_path / "a.dcm",
        ramp(),
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        **elements,
    )
    dataset = pydicom.dcmread(path)
    tag = dataset[keyword].tag
    dataset[tag] = RawDataElement(tag, "DS", len(content), content, 0, False, True)
    dataset.save_as(path)
    with pytest.raises(InputError, match=message):
        check_file(path)


@pytest.mark.parametrize("keyword", ["Rows", "RescaleSlope", "PixelSpacing"])
def test_an_element_that_cannot_be_decoded_is_named(tmp_path, keyword):
    path = write_dicom(tmp_path / "a.dcm", ramp(), PixelSpacing=[1, 1])
    tag = pydicom.dcmread(path)[keyword].tag
    start = tag.group.to_bytes(2, "little") + tag.elem.to_bytes(2, "little")
    content = path.read_bytes()
    kind = content[content.index(start) + 4 :][:2]
    path.write_bytes(content.replace(start + kind, start + b"QI"))
    with pytest.raises(InputError, match=f"DICOM element {keyword} is damaged, exp"):
        check_file(path)


def test_dicom_without_a_rescale_keeps_its_values(tmp_path):
    path = write_dicom(
        tmp_path / "a.dcm", ramp(), RescaleSlope=None, RescaleIntercept=None
    )
    np.testing.assert_array_equal(read(path)[0], ramp())


@pytest.mark.parametrize(
    ("values", "elements", "message"),
    [
        (ramp(), {"PixelData": None}, "without pixels"),
        (np.zeros((8, 8, 3), np.uint8), {}, "3 samples a pixel"),
        (ramp(), {"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        (ramp(), {"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        (ramp(), {"NumberOfFrames": 2}, "512 bytes for a pixel block of 1024"),
        (ramp(), {"NumberOfFrames": 10**6}, "1000000 images"),
        (
            ramp(),
            {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
            "512 bytes of pixels, expected 256 by its NumberOfFrames",
        ),
        (ramp(), {"Rows": None}, "without Rows and Columns"),
        (ramp(), {"Rows": 0}, "0x16 pixels"),
        (ramp(), {"Rows": 60000, "Columns": 60000}, "60000x60000 pixels"),
        (ramp(), {"Rows": 4000, "Columns": 4000}, "truncated DICOM"),
        (ramp(), {"BitsAllocated": 12}, "12 bits a value"),
        (ramp(), {"RescaleSlope": 0}, r"rescale slope \[0\.0\], expected"),
        (ramp(), {"RescaleSlope": 1e30}, "rescale slope"),
        (ramp(), {"RescaleIntercept": -1e12}, "rescale intercept"),
        (ramp(), {"RescaleIntercept": None}, "only one of rescale slope"),
        (ramp(), {"PixelSpacing": [0, 0.7]}, r"pixel spacing \[0\.0, 0\.7\]"),
        (ramp(), {"PixelSpacing": [-0.7, 0.7]}, "pixel spacing"),
        (ramp(), {"PixelSpacing": [700, 700]}, "expected two of 0 to 100 mm"),
        (ramp(), {"transfer_syntax": JPEGLSLossless}, r"JPEG-LS .*install pyjpegls"),
        (ramp(), {"transfer_syntax": MPEG2MPML}, "compressed as MPEG2"),
    ],
)
def test_dicom_that_cannot_be_used(tmp_path, monkeypatch, values, elements, message):
    # Whatever codecs this machine has: JPEG-LS counts as not installed.
    from pydicom.pixels.decoders.base import get_decoder

    monkeypatch.setattr(get_decoder(JPEGLSLossless), "_available", {})
    path = write_dicom(tmp_path / "scan.dcm", values, **elements)
    with pytest.raises(ValueError, match=rf"scan\.dcm: .*{message}") as error:
        check_file(path)
    assert "\n" not in str(error.value)
    assert "SECRET" not in str(error.value)


def test_inverted_display_does_not_change_hu(tmp_path):
    inverted = {"PhotometricInterpretation": "MONOCHROME1", "Modality": "CT"}
    path = write_dicom(tmp_path / "a.dcm", ramp(), **inverted)
    np.testing.assert_array_equal(read(path)[0], ramp() * 2.0 - 1024)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"ImageType": "LOCALIZER"}, "localizer"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "SCOUT"]}, "localizer"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "screen capture"),
    ],
)
def test_what_is_filed_with_ct_but_no_slice(tmp_path, elements, reason):
    path = write_dicom(tmp_path / "a.dcm", ramp(), **CT, **elements)
    assert check_file(path).left_out == reason
    with pytest.raises(InputError, match=rf"a\.dcm: {reason} among slices"):
        read(path)
    path = write_dicom(tmp_path / "b.dcm", ramp(), Modality="MR", **elements)
    assert check_file(path).left_out == ""
