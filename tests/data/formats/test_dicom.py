import numpy as np
import pydicom
import pytest
from image_files import cut, ramp, write_dicom
from pydicom.uid import MPEG2MPML, DeflatedExplicitVRLittleEndian, JPEGLSLossless

from sisr_jax.data.formats.readers import check_file, read_images


def read(path):
    [image] = read_images(path, [0], (7.0, 7.0))  # the PNG scale does not apply
    assert image.shape == check_file(path).shape
    assert image.dtype == np.float32
    return image


@pytest.mark.parametrize("name", ["a.dcm", "a.DICOM", "IM_0001", "1.2.840.7"])
def test_dicom_is_rescaled_exactly(tmp_path, name):
    values = ramp(dtype=np.int16, start=-100)
    path = write_dicom(tmp_path / name, values)
    np.testing.assert_array_equal(read(path), values * 2.0 - 1024)


def test_dicom_without_a_rescale_keeps_its_values(tmp_path):
    path = write_dicom(
        tmp_path / "a.dcm", ramp(), RescaleSlope=None, RescaleIntercept=None
    )
    np.testing.assert_array_equal(read(path), ramp())


def test_dicom_run_length_encoded(tmp_path):
    from pydicom.uid import RLELossless

    path = write_dicom(tmp_path / "a.dcm", ramp())
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path), ramp() * 2.0 - 1024)


@pytest.mark.parametrize(
    ("values", "elements", "message"),
    [
        (ramp(), {"PixelData": None}, "without pixels"),
        (np.zeros((8, 8, 3), np.uint8), {}, "3 samples a pixel"),
        (ramp(), {"PhotometricInterpretation": "MONOCHROME1"}, "MONOCHROME1"),
        (ramp(), {"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        (ramp(), {"NumberOfFrames": 2}, r"multi-frame DICOM \(2 frames\)"),
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
        (ramp(), {"transfer_syntax": JPEGLSLossless}, r"JPEG-LS .*\[dicom-codecs\]"),
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
    np.testing.assert_array_equal(read(path), ramp() * 2.0 - 1024)


def save_deflated(path, source, *, zeros=0):
    dataset = pydicom.dcmread(source)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    if zeros:
        dataset.add_new(0x00090010, "LO", "private")
        dataset.add_new(0x00091001, "OB", bytes(zeros))
    dataset.save_as(path)
    return path


def test_deflated_dicom(tmp_path, monkeypatch):
    source = write_dicom(tmp_path / "a.dcm", ramp())
    path = save_deflated(tmp_path / "b.dcm", source)
    np.testing.assert_array_equal(read(path), ramp() * 2.0 - 1024)
    monkeypatch.setattr("sisr_jax.data.formats.dicom_file.MAX_BYTES", 100_000)
    assert check_file(path).shape == (16, 16)
    bomb = save_deflated(tmp_path / "c.dcm", source, zeros=200_000)
    assert bomb.stat().st_size < 10_000
    with pytest.raises(ValueError, match=r"c\.dcm: .*inflates to more than 100000"):
        check_file(bomb)
    monkeypatch.setattr("sisr_jax.data.formats.dicom_file.MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"a\.dcm: .* bytes, expected at most"):
        check_file(source)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5])
def test_truncated_dicom(tmp_path, keep):
    path = cut(write_dicom(tmp_path / "cut.dcm", ramp((64, 64))), keep)
    with pytest.raises(ValueError, match=r"cut\.dcm: "):
        check_file(path)


def test_dicom_with_pixels_that_do_not_decode(tmp_path):
    from pydicom.uid import RLELossless

    path = write_dicom(tmp_path / "bad.dcm", ramp(), transfer_syntax=RLELossless)
    check_file(path)
    with pytest.raises(ValueError, match=r"bad\.dcm: pixels cannot be .* RLE"):
        read(path)
