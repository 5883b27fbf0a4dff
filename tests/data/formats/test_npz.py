import io
import zipfile

import numpy as np
import pytest
from image_files import cut, ramp

from sisr_jax.data.formats.readers import check_file, read_images


def read(path, rescale=(1.0, 0.0)):
    [image] = read_images(path, [0], rescale)
    assert image.shape == check_file(path).shape
    assert image.dtype == np.float32
    return image


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
    with pytest.raises(ValueError, match=r"holds 'pixels', 'spacing'; expected"):
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
        ((4000, 4000), 100, "takes 128000128 bytes, found 228"),
        ((2, 2), 10**6, "takes 160 bytes, found 1000128"),
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


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_numpy_does_not_write(tmp_path, method):
    path = tmp_path / "a.npz"
    file = io.BytesIO()
    np.save(file, np.zeros((1000, 1000)))
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("image.npy", file.getvalue())
    with pytest.raises(ValueError, match=r"a\.npz: .*expected none or deflate"):
        check_file(path)


@pytest.mark.parametrize("beyond_4_gib", [False, True])
def test_many_members(tmp_path, beyond_4_gib):
    path = tmp_path / "a.npz"
    np.savez(path, image=ramp(), **{f"a{i}": np.zeros(1) for i in range(999)})
    assert check_file(path).shape == (16, 16)
    np.savez(path, image=ramp(), **{f"a{i}": np.zeros(1) for i in range(1000)})
    if beyond_4_gib:
        np.savez(path, image=ramp())
        data = path.read_bytes()
        place = data.rindex(b"PK\5\6")
        path.write_bytes(data[:place] + b"PK\6\7" + bytes(16) + data[place:])
    with pytest.raises(ValueError, match=r"a\.npz: npz of \d+ members or more"):
        check_file(path)


def test_names_of_arrays_stay_in_one_line(tmp_path):
    np.savez(tmp_path / "a.npz", **{"x\ny": np.zeros(2), "z": np.zeros(2)})
    with pytest.raises(ValueError, match=r"a\.npz: holds") as error:
        check_file(tmp_path / "a.npz")
    assert "\n" not in str(error.value)


def test_what_an_archive_quotes_of_its_content_is_bounded(tmp_path):
    np.savez(tmp_path / "a.npz", image=np.zeros((50, 50)))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[26:28] = b"\xff\xff"  # the length of the first name
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.npz: truncated or damaged npz") as error:
        read(tmp_path / "a.npz")
    assert len(str(error.value)) - len(str(tmp_path)) < 300
