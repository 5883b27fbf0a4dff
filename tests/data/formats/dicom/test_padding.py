"""What a scanner did not measure is air."""

import numpy as np
import pydicom
import pytest
from image_files import write_dicom
from pydicom.uid import (
    ImplicitVRLittleEndian,
)

from sisr_jax.data.formats.readers import check_file, decode_images, read_images

CT = {"Modality": "CT"}


def read(path):
    return list(read_images(path, range(check_file(path).count), (7.0, 7.0)))


def edit(path, change):
    dataset = pydicom.dcmread(path)
    change(dataset)
    dataset.save_as(path)
    return path


def padded(dtype, outside):
    values = np.full((8, 8), 1024, dtype)
    values[2:6, 2:6] += np.arange(16, dtype=dtype).reshape(4, 4)
    values[0] = outside
    return values


@pytest.mark.parametrize(
    ("dtype", "outside", "vr", "padding"),
    [
        (np.uint16, 63536, "US", 63536),
        (np.int16, -2000, "SS", -2000),
        (np.int16, -2000, "US", 63536),
        (np.uint16, 63536, "SS", -2000),
        (np.uint16, 4000, "US", 4000),
    ],
)
@pytest.mark.parametrize("bits", [12, 16])
def test_padding_becomes_air(tmp_path, dtype, outside, vr, padding, bits):
    values = padded(dtype, outside)
    elements = {"RescaleSlope": 1, "BitsStored": bits, "HighBit": bits - 1, **CT}
    path = write_dicom(tmp_path / "a.dcm", values, **elements)
    edit(path, lambda d: d.add_new("PixelPaddingValue", vr, padding))
    [decoded] = decode_images(path, [0], (1.0, 0.0))
    assert decoded.padding == 8
    np.testing.assert_array_equal(decoded.image[0], -1024)
    np.testing.assert_array_equal(decoded.image[1:], values[1:] - 1024.0)


@pytest.mark.parametrize("stated", [-2000, 63536])
def test_padding_without_a_stated_type(tmp_path, stated):
    values = padded(np.int16, -2000)
    path = write_dicom(tmp_path / "a.dcm", values, RescaleSlope=1, **CT)
    dataset = pydicom.dcmread(path)
    dataset.add_new("PixelPaddingValue", "SS" if stated < 0 else "US", stated)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.save_as(path, implicit_vr=True, little_endian=True)
    [decoded] = decode_images(path, [0], (1.0, 0.0))
    assert decoded.padding == 8
    np.testing.assert_array_equal(decoded.image[1:], values[1:] - 1024.0)


@pytest.mark.parametrize("ends", [(-2000, -1990), (-1990, -2000)])
def test_range_of_padding(tmp_path, ends):
    values = padded(np.int16, -2000)
    values[0, :4] = -1990
    values[0, 7] = -1989
    path = write_dicom(tmp_path / "a.dcm", values, RescaleSlope=1, RescaleIntercept=500)

    def change(dataset):
        dataset.add_new("PixelPaddingValue", "SS", ends[0])
        dataset.add_new("PixelPaddingRangeLimit", "SS", ends[1])

    edit(path, change)
    [decoded] = decode_images(path, [0], (1.0, 0.0))
    assert decoded.padding == 7
    # Not of CT: the lowest value that was measured.
    np.testing.assert_array_equal(decoded.image[0], -1489)
    np.testing.assert_array_equal(decoded.image[1:], values[1:] + 500.0)


@pytest.mark.parametrize("outside", [-2000, -3024, -1500])
def test_values_that_no_matter_has_become_air_in_ct(tmp_path, outside):
    values = padded(np.int16, outside)
    values[1] = -1100  # noise of air
    elements = {"RescaleSlope": 1, "RescaleIntercept": 0}
    path = write_dicom(tmp_path / "a.dcm", values, **elements, **CT)
    [decoded] = decode_images(path, [0], (1.0, 0.0))
    assert decoded.padding == 8
    np.testing.assert_array_equal(decoded.image[0], -1024)
    np.testing.assert_array_equal(decoded.image[1:], values[1:])
    path = write_dicom(tmp_path / "b.dcm", values, **elements, Modality="MR")
    [decoded] = decode_images(path, [0], (1.0, 0.0))
    assert decoded.padding == 0
    np.testing.assert_array_equal(decoded.image, values)


def test_frame_of_nothing_but_padding(tmp_path):
    path = write_dicom(tmp_path / "a.dcm", np.full((4, 4), 9, np.int16))
    edit(path, lambda d: d.add_new("PixelPaddingValue", "SS", 9))
    [decoded] = decode_images(path, [0], (1.0, 0.0))
    assert decoded.padding == 16
    np.testing.assert_array_equal(decoded.image, 0)


def test_a_limit_alone_is_meant_as_the_padding(tmp_path):
    values = padded(np.uint16, 63536)
    path = write_dicom(tmp_path / "a.dcm", values, RescaleSlope=1, **CT)
    edit(path, lambda d: d.add_new("PixelPaddingRangeLimit", "US", 63536))
    [decoded] = decode_images(path, [0], (1.0, 0.0))
    assert decoded.padding == 8
    assert decoded.image.max() < 100
