import gzip
import sys

import nibabel
import numpy as np
import pytest
from image_files import cut

from sisr_jax.data.formats.readers import check_file, read_images


def world_volume():
    """Values that tell where they are: [left to right, back to front, up]."""
    x, y, z = np.meshgrid(np.arange(5), np.arange(6), np.arange(7), indexing="ij")
    return (100 * x + 10 * y + z).astype(np.int16)


def expected_slices():
    # Rows from front to back, columns from the patient's right to left.
    return [world_volume()[::-1, ::-1, z].T for z in range(7)]


def write(path, volume, affine=None, *, kind=nibabel.Nifti1Image, scale=None):
    image = kind(volume, np.diag([0.7, 0.7, 3, 1]) if affine is None else affine)
    if scale is not None:
        image.header.set_slope_inter(*scale)
    nibabel.save(image, path)
    return path


def read(path):
    header = check_file(path)
    return np.stack(list(read_images(path, range(header.count), (9.0, 9.0))))


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "PIR", "SLA", "IPL"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_every_orientation_shows_the_same_slices(tmp_path, axes, name):
    canonical = nibabel.Nifti1Image(world_volume(), np.diag([0.7, 0.7, 3, 1]))
    orientation = nibabel.orientations.axcodes2ornt(axes)
    change = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(canonical.affine), orientation
    )
    path = tmp_path / name
    nibabel.save(canonical.as_reoriented(change), path)
    assert nibabel.aff2axcodes(nibabel.load(path).affine) == tuple(axes)
    assert check_file(path)[:4] == ("NIfTI", (6, 5), "int16", 7)
    np.testing.assert_array_equal(read(path), expected_slices())
    [one] = read_images(path, [5], (1.0, 0.0))
    np.testing.assert_array_equal(one, expected_slices()[5])


def test_oblique_volume_goes_to_the_nearest_axes(tmp_path):
    angle = np.deg2rad(20)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    path = write(tmp_path / "a.nii", world_volume(), turn)
    np.testing.assert_array_equal(read(path), expected_slices())


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_slope_and_byte_order(tmp_path, kind, order):
    volume = world_volume().astype(np.dtype(np.int16).newbyteorder(order))
    header = kind.header_class(endianness=order)
    header.set_data_dtype(volume.dtype)
    image = kind(volume, np.eye(4), header)
    image.header.set_slope_inter(2, -1024)
    nibabel.save(image, tmp_path / "a.nii")
    expected = np.array(expected_slices()) * 2.0 - 1024
    np.testing.assert_array_equal(read(tmp_path / "a.nii"), expected)


def test_trailing_axis_of_one(tmp_path):
    path = write(tmp_path / "a.nii", world_volume()[..., None])
    np.testing.assert_array_equal(read(path), expected_slices())


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (np.zeros((4, 4, 4, 2), np.int16), r"shape \(4, 4, 4, 2\), expected one"),
        (np.zeros((4, 4), np.int16), r"shape \(4, 4\), expected one volume"),
        (np.zeros((4, 4, 4), np.complex64), "type complex64, expected real"),
        (np.zeros((4, 4, 4), [(c, "u1") for c in "RGB"]), "expected real numbers"),
        (np.full((4, 4, 4), np.nan, np.float32), "16 of 16 pixels are NaN"),
    ],
)
def test_volume_of_the_wrong_kind(tmp_path, volume, message):
    with pytest.raises(ValueError, match=rf"a\.nii: .*{message}") as error:
        read(write(tmp_path / "a.nii", volume))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_affine_without_a_meaning(tmp_path, value):
    path = write(tmp_path / "a.nii", world_volume())
    data = bytearray(path.read_bytes())
    data[280:296] = np.array([value, 0, 0, 0], "<f4").tobytes()  # first row of sform
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.nii: the affine is singular or not"):
        check_file(path)


def forge(path, *, dims=None, offset=None, extension=None):
    data = bytearray(gzip.decompress(path.read_bytes()))
    if dims is not None:
        data[40:48] = np.array([3, *dims], "<i2").tobytes()
    if offset is not None:
        data[108:112] = np.array(offset, "<f4").tobytes()
    if extension is not None:
        data[108:112] = np.array(368, "<f4").tobytes()
        data[348:352] = np.array([1, extension, 6, 0, 0], "<i4").tobytes()
    path.write_bytes(gzip.compress(data))
    return path


@pytest.mark.parametrize(
    ("forged", "message"),
    [
        ({"dims": (32767, 32767, 32767)}, "expected at most"),
        ({"dims": (5000, 4000, 1)}, r"4000x5000 pixels|truncated"),
        ({"dims": (2000, 2000, 100)}, "truncated NIfTI"),
        ({"dims": (5, 6, -7)}, "shape"),
        ({"offset": 1e9}, "NIfTI"),
        ({"offset": 0}, "values from byte 0 on, expected behind the 348 bytes"),
        ({"offset": np.nan}, "NIfTI"),
    ],
)
def test_header_that_asks_too_much(tmp_path, forged, message):
    path = forge(write(tmp_path / "a.nii.gz", world_volume()), **forged)
    with pytest.raises(ValueError, match=rf"a\.nii\.gz: .*({message})") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_forged_extension_is_never_read(tmp_path):
    path = forge(write(tmp_path / "a.nii.gz", world_volume()), extension=-5)
    np.testing.assert_array_equal(read(path), expected_slices())


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("keep", [0.0, 0.2, 0.9])
def test_truncated(tmp_path, name, keep):
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 2**15, (9, 9, 9)).astype(np.int16)
    path = cut(write(tmp_path / name, volume), keep)
    with pytest.raises(ValueError, match=r"a\.nii.*: "):
        read(path)


def test_pair_and_wrong_extension(tmp_path):
    write(tmp_path / "a.nii", world_volume())
    data = bytearray((tmp_path / "a.nii").read_bytes())
    (tmp_path / "b.nii.gz").write_bytes(data)
    with pytest.raises(ValueError, match=r"b\.nii\.gz: .*damaged NIfTI"):
        read(tmp_path / "b.nii.gz")
    data[344:348] = b"ni1\0"
    (tmp_path / "a.nii").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.nii: not a NIfTI file"):
        read(tmp_path / "a.nii")


def test_without_nibabel_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "a.nii", world_volume())
    for name in ("nibabel", "nibabel.arrayproxy"):
        monkeypatch.setitem(sys.modules, name, None)
    message = r"a\.nii: .*pip install nibabel"
    with pytest.raises(ValueError, match=message):
        check_file(path)


@pytest.mark.parametrize("name", ["a.nii", "A.NII"])
def test_gzip_content_under_the_name_of_a_plain_file(tmp_path, name):
    path = tmp_path / name
    write(tmp_path / "b.nii.gz", world_volume()).rename(path)
    with pytest.raises(ValueError, match=rf"{name}: compressed with gzip, .*\.gz"):
        check_file(path)


def test_plain_content_under_the_name_of_a_compressed_file(tmp_path):
    path = tmp_path / "a.nii.gz"
    write(tmp_path / "b.nii", world_volume()).rename(path)
    with pytest.raises(ValueError, match=r"a\.nii\.gz: "):
        read(path)


def test_names_are_read_in_any_case(tmp_path):
    path = tmp_path / "A.NII.GZ"
    write(tmp_path / "b.nii.gz", world_volume()).rename(path)
    np.testing.assert_array_equal(read(path), expected_slices())


@pytest.mark.parametrize(
    ("unit", "millimetres"), [("mm", 1), ("meter", 1e3), ("micron", 1e-3), (0, None)]
)
def test_spacing_is_that_of_rows_and_columns_of_the_display(
    tmp_path, unit, millimetres
):
    """Whatever the order of the file's axes; a volume may not say in which unit."""
    affine = np.diag([0.7, 0.8, 3, 1])[:, [2, 0, 1, 3]]
    image = nibabel.Nifti1Image(world_volume(), affine)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    spacing = check_file(tmp_path / "a.nii").spacing
    if millimetres is None:
        assert spacing is None
    else:
        assert spacing == pytest.approx((0.8 * millimetres, 0.7 * millimetres))
