import struct
import zlib

import numpy as np
import pytest
from image_files import cut, ramp, write_dicom, write_png
from PIL import Image
from pydicom.uid import MPEG2MPML, JPEGLSLossless

from sisr_jax.data.readers import MAX_PIXELS, find_reader


def read(path, rescale=(1.0, 0.0)):
    reader = find_reader(path)
    image = reader.read(path, rescale)
    assert image.shape == reader.check(path)
    assert image.dtype == np.float32
    return image


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_is_exact(tmp_path, dtype):
    values = np.linspace(0, np.iinfo(dtype).max, 63).reshape(7, 9).astype(dtype)
    image = read(write_png(tmp_path / "a.png", values), (0.5, -32768.0))
    np.testing.assert_array_equal(image, values * 0.5 - 32768)


def test_png_followed_by_other_bytes_is_read(tmp_path):
    path = write_png(tmp_path / "a.png", ramp())
    path.write_bytes(path.read_bytes() + b"trailing")
    np.testing.assert_array_equal(read(path), ramp())


def _png_header(width, height, depth, colour):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + crc


@pytest.mark.parametrize(
    ("mode", "message"),
    [
        ("RGB", "RGB PNG"),
        ("RGBA", "RGBA PNG"),
        ("P", "palette PNG"),
        ("LA", "grey with alpha PNG"),
        ("1", "1-bit grey PNG"),
    ],
)
def test_png_that_is_not_grey(tmp_path, mode, message):
    path = tmp_path / "colour.png"
    Image.fromarray(ramp(dtype=np.uint8)).convert(mode).save(path)
    with pytest.raises(ValueError, match=rf"colour\.png: {message}, expected") as error:
        find_reader(path).check(path)
    assert "\n" not in str(error.value)


def test_huge_png_is_refused_before_decoding(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(100_000, 100_000, 8, 0))
    with pytest.raises(ValueError, match=rf"bomb\.png: 100000x.* {MAX_PIXELS}"):
        find_reader(path).check(path)


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.97])
@pytest.mark.parametrize("step", ["check", "read"])
def test_truncated_png(tmp_path, keep, step):
    rng = np.random.default_rng(0)
    path = write_png(tmp_path / "cut.png", rng.integers(0, 255, (64, 64), np.uint8))
    cut(path, keep)
    arguments = (path,) if step == "check" else (path, (1.0, 0.0))
    with pytest.raises(ValueError, match=r"cut\.png: .*(truncated|cut off)") as error:
        getattr(find_reader(path), step)(*arguments)
    assert "\n" not in str(error.value)


def test_png_damaged_inside_is_named_when_decoded(tmp_path):
    rng = np.random.default_rng(0)
    path = write_png(tmp_path / "bad.png", rng.integers(0, 255, (64, 64), np.uint8))
    data = bytearray(path.read_bytes())
    data[100:140] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"bad\.png: truncated or damaged PNG"):
        read(path)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float64, np.float16, ">f4"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_is_physical(tmp_path, dtype, save):
    values = (ramp((5, 6), start=-20)).astype(np.int8).astype(dtype)
    save(tmp_path / "a.npz", anything=values)
    image = read(tmp_path / "a.npz", (7.0, 7.0))  # the PNG scale does not apply
    np.testing.assert_array_equal(image, values.astype(np.float32))


def test_npz_with_several_arrays_needs_one_called_image(tmp_path):
    np.savez(tmp_path / "a.npz", image=ramp(), spacing=np.ones(2))
    np.testing.assert_array_equal(read(tmp_path / "a.npz"), ramp())
    np.savez(tmp_path / "b.npz", pixels=ramp(), spacing=np.ones(2))
    with pytest.raises(ValueError, match=r"b\.npz: holds pixels, spacing; expected"):
        find_reader(tmp_path / "b.npz").check(tmp_path / "b.npz")


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 3, 4)),
        np.zeros(4),
        np.zeros((2, 2), complex),
        np.zeros((2, 2), bool),
        np.array([["a", "b"]]),
        np.array([[None, {}]], dtype=object),
        np.zeros((2, 2), [("x", "f4")]),
    ],
)
def test_npz_of_the_wrong_kind(tmp_path, values):
    path = tmp_path / "wrong.npz"
    np.savez(path, image=values)
    with pytest.raises(ValueError, match=r"wrong\.npz: array 'image' has shape"):
        find_reader(path).check(path)


def test_damaged_npz(tmp_path):
    path = tmp_path / "cut.npz"
    np.savez(path, image=ramp())
    cut(path)
    with pytest.raises(ValueError, match=r"cut\.npz: not an npz file, or damaged"):
        read(path)
    np.savez(path, image=np.zeros((64, 64)))
    data = bytearray(path.read_bytes())
    data[1000:1040] = b"x" * 40  # the values no longer match their checksum
    path.write_bytes(data)
    assert find_reader(path).check(path) == (64, 64)
    with pytest.raises(ValueError, match=r"cut\.npz: truncated or damaged npz"):
        read(path)


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
    import pydicom
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
        find_reader(path).check(path)
    assert "\n" not in str(error.value)
    assert "SECRET" not in str(error.value)


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5])
def test_truncated_dicom(tmp_path, keep):
    path = cut(write_dicom(tmp_path / "cut.dcm", ramp((64, 64))), keep)
    with pytest.raises(ValueError, match=r"cut\.dcm: "):
        find_reader(path).check(path)


def test_dicom_with_pixels_that_do_not_decode(tmp_path):
    from pydicom.uid import RLELossless

    path = write_dicom(tmp_path / "bad.dcm", ramp(), transfer_syntax=RLELossless)
    find_reader(path).check(path)
    with pytest.raises(ValueError, match=r"bad\.dcm: pixels cannot be .* RLE"):
        read(path)


@pytest.mark.parametrize("name", ["notes.txt", "manifest.csv", "DICOMDIR", "image.jpg"])
def test_other_files_have_no_reader(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(128) + (b"DICM" if name == "DICOMDIR" else b"text"))
    assert find_reader(path) is None
