import io
import struct
import zipfile
import zlib

import numpy as np
import pytest
from image_files import cut, ramp, write_png
from PIL import Image

from sisr_jax.data.formats.headers import MAX_PIXELS
from sisr_jax.data.formats.readers import check_file, find_reader, read_images


def read(path, rescale=(1.0, 0.0)):
    [image] = read_images(path, [0], rescale)
    assert image.shape == check_file(path).shape
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
        check_file(path)
    assert "\n" not in str(error.value)


def test_huge_png_is_refused_before_decoding(tmp_path):
    path = tmp_path / "bomb.png"
    path.write_bytes(_png_header(100_000, 100_000, 8, 0))
    with pytest.raises(ValueError, match=rf"bomb\.png: 100000x.* {MAX_PIXELS}"):
        check_file(path)


@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.97])
@pytest.mark.parametrize("step", ["check", "read"])
def test_truncated_png(tmp_path, keep, step):
    rng = np.random.default_rng(0)
    path = write_png(tmp_path / "cut.png", rng.integers(0, 255, (64, 64), np.uint8))
    cut(path, keep)
    look = check_file if step == "check" else read
    with pytest.raises(
        ValueError, match=r"cut\.png: .*(truncated|cut off|empty)"
    ) as error:
        look(path)
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
        check_file(tmp_path / "b.npz")


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
        check_file(path)


def forge_npz(path, values, member):
    """A small archive whose array header or size states something else."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, values)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", header.getvalue() + member)


@pytest.mark.parametrize(
    ("shape", "num_bytes", "message"),
    [
        ((60_000, 60_000), 0, "60000x60000 pixels"),
        ((4000, 4000), 100, "takes 128000128 bytes, the archive states 228"),
        ((2, 2), 10**6, "takes 160 bytes, the archive states 1000128"),
        ((2, -2), 32, "2x-2 pixels"),
    ],
)
def test_npz_that_states_another_size(tmp_path, shape, num_bytes, message):
    path = tmp_path / "bomb.npz"
    header = {"descr": "<f8", "fortran_order": False, "shape": shape}
    forge_npz(path, header, bytes(num_bytes))
    with pytest.raises(ValueError, match=rf"bomb\.npz: .*{message}"):
        check_file(path)


def test_npz_values_beyond_float32(tmp_path):
    np.savez(tmp_path / "a.npz", image=np.full((2, 2), 1e300))
    with pytest.raises(ValueError, match=r"a\.npz: 4 of 4 pixels are NaN or infinite"):
        read(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "name", ["a.png", "a.tif", "a.npz", "a.dcm", "a.nii", "a.nii.gz"]
)
@pytest.mark.parametrize(
    ("content", "message"), [(b"", "empty file"), (b"\xff\xd8\xff JPEG", "")]
)
def test_empty_file_and_wrong_extension(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name}: .*{message}") as error:
        check_file(path)
    assert "\n" not in str(error.value)


def test_absent_file_and_foreign_format(tmp_path):
    with pytest.raises(ValueError, match=r"a\.png: cannot be opened \(No such file"):
        check_file(tmp_path / "a.png")
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8")
    with pytest.raises(ValueError, match=r"a\.jpg: expected a \.png, .* file"):
        check_file(tmp_path / "a.jpg")


def test_damaged_npz(tmp_path):
    path = tmp_path / "cut.npz"
    np.savez(path, image=ramp())
    cut(path)
    with pytest.raises(ValueError, match=r"cut\.npz: not an npz file, or cut off"):
        read(path)
    np.savez(path, image=np.zeros((64, 64)))
    data = bytearray(path.read_bytes())
    data[1000:1040] = b"x" * 40  # the values no longer match their checksum
    path.write_bytes(data)
    assert check_file(path).shape == (64, 64)
    with pytest.raises(ValueError, match=r"cut\.npz: truncated or damaged npz"):
        read(path)


@pytest.mark.parametrize("name", ["notes.txt", "manifest.csv", "DICOMDIR", "image.jpg"])
def test_other_files_have_no_reader(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(128) + (b"DICM" if name == "DICOMDIR" else b"text"))
    assert find_reader(path) is None
