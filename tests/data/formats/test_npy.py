import numpy as np
import pytest
from image_files import cut, ramp

from sisr_jax.data.formats.readers import check_file, read_images


def read(path, rescale=(1.0, 0.0)):
    [image] = read_images(path, [0], rescale)
    assert image.shape == check_file(path).shape
    assert image.dtype == np.float32
    return image


@pytest.mark.parametrize("dtype", [np.int16, np.float64, ">f4"])
def test_npy_is_physical(tmp_path, dtype):
    values = ramp((5, 6), start=-20).astype(np.int8).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    assert check_file(tmp_path / "a.npy")[:2] == ("npy", (5, 6))
    image = read(tmp_path / "a.npy", (7.0, 7.0))
    np.testing.assert_array_equal(image, values.astype(np.float32))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 3, 4)), "two dimensions of real numbers"),
        (np.array([[None]], dtype=object), "two dimensions of real numbers"),
        (np.zeros((2, 3), complex), "two dimensions of real numbers"),
        (np.zeros((2**13, 2**13), np.int8)[:0], "0x8192 pixels"),
    ],
)
def test_npy_of_the_wrong_kind(tmp_path, values, message):
    # Written as a hostile file would be; the package never reads one so.
    np.save(tmp_path / "a.npy", values, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"a\.npy: .*{message}"):
        check_file(tmp_path / "a.npy")


def test_npy_that_is_cut_off(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((20, 20)))
    cut(tmp_path / "a.npy", 0.9)
    with pytest.raises(ValueError, match=r"20x20 float64 takes 3328 bytes, found"):
        check_file(tmp_path / "a.npy")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [">i2", "<f8", "u1"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_layout_of_an_array(tmp_path, order, dtype, version):
    values = np.asarray(ramp((5, 6), start=40), dtype, order=order)
    with (tmp_path / "a.npy").open("wb") as file:
        np.lib.format.write_array(file, values, version=version)
    image = read(tmp_path / "a.npy")
    np.testing.assert_array_equal(image, values.astype(np.float32))


def test_headers_are_not_parsed_as_python(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, ramp())
    header = b"{'descr': '<u2', 'fortran_order': False, 'shape': (16, 16), }"
    data = path.read_bytes()
    assert header in data
    other = b"{'descr': '<u2', 'fortran_order': False, 'shape': (4*4, 16)}"
    path.write_bytes(data.replace(header, other + b" "))
    with pytest.raises(ValueError, match=r"a\.npy: array has shape \(\)"):
        read(path)
