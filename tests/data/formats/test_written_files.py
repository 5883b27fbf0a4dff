"""What is written keeps what its source says, as this package and others read it."""

import gzip

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
from image_files import write_dicom, write_png
from PIL import Image
from pydicom.uid import generate_uid

from sisr_jax.data.formats.headers import Derivation
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.data.formats.writers import Source, check_writable, write_images
from sisr_jax.errors import InputError

HU = (1.0, -32768.0)
ABOUT = Derivation("sisr_jax weights x16", "Restored by a test.", "1.0")
GEOMETRY = {
    "StudyInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.3.4",
    "FrameOfReferenceUID": "1.2.3.5",
    "PixelSpacing": [0.7, 0.8],
    "ImagePositionPatient": [-10.0, 20.0, 33.5],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "SliceThickness": 2.5,
    "Modality": "CT",
    "PatientName": "Secret^Name",
    "StudyDate": "20200102",
    "InstanceNumber": 7,
}


def source_of(path, rescale=HU):
    return Source(path, check_file(path), rescale)


def read(path, rescale=HU):
    count = check_file(path).count
    return np.stack(list(read_images(path, range(count), rescale)))


def write(path, images, source, about=ABOUT):
    write_images(path, np.asarray(images, np.float32), source, about)
    assert [each.name for each in path.parent.iterdir() if ".tmp" in each.name] == []
    return path


@pytest.mark.parametrize("name", ["b.png", "b.tif", "b.npy", "b.npz"])
def test_a_slice_in_another_format(tmp_path, name):
    stored = np.arange(31744, 31744 + 12 * 16, dtype=np.uint16).reshape(12, 16)
    source = source_of(write_png(tmp_path / "a.png", stored))
    images = read(source.path) + 7.6
    target = write(tmp_path / name, images, source)
    exact = name.endswith((".npy", ".npz"))
    np.testing.assert_allclose(read(target), images, atol=1e-4 if exact else 0.5)
    if not exact:
        assert check_file(target).dtype == "uint16"
        np.testing.assert_array_equal(np.asarray(Image.open(target)), stored + 8)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pages_of_a_tiff_keep_how_values_are_meant(tmp_path, dtype):
    pages = [Image.fromarray(np.full((4, 6), 10 * n, dtype)) for n in range(1, 4)]
    path = tmp_path / "a.tif"
    pages[0].save(path, save_all=True, append_images=pages[1:])
    source = source_of(path, (2.0, -5.0))
    images = read(path, source.rescale)
    target = write(tmp_path / "b.tiff", images + 2, source)
    np.testing.assert_array_equal(read(target, source.rescale), images + 2)


@pytest.mark.parametrize("axes", ["LPS", "RAS", "SPL", "ARI"])
@pytest.mark.parametrize(
    ("dtype", "scale"), [("int16", (1, 0)), (">i2", (0.5, -1024)), ("f4", (1, 0))]
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_volume_keeps_its_place(tmp_path, axes, dtype, scale, ending):
    values = np.random.default_rng(0).integers(-900, 1000, (3, 4, 5)).astype(dtype)
    affine = nibabel.orientations.inv_ornt_aff(
        nibabel.orientations.axcodes2ornt(axes), values.shape
    ) @ np.diag([0.7, 0.8, 2.5, 1])
    header = nibabel.Nifti1Header(endianness=">" if ">" in dtype else "<")
    header.set_xyzt_units("mm")
    image = nibabel.Nifti1Image(values, affine, header, dtype=dtype)
    path = tmp_path / f"a{ending}"
    image.to_filename(path)
    if scale != (1, 0):  # nibabel itself writes no scale for integers
        opened = open if ending == ".nii" else gzip.open
        with opened(path, "rb") as file:
            content = bytearray(file.read())
        content[112:120] = np.array(scale, ">f4").tobytes()
        with opened(path, "wb") as file:
            file.write(content)
    source = source_of(path)
    images = read(path)
    before, after = (
        nibabel.load(path),
        nibabel.load(write(tmp_path / f"b{ending}", images + 3, source)),
    )
    np.testing.assert_allclose(after.get_fdata(), before.get_fdata() + 3)
    np.testing.assert_array_equal(after.affine, before.affine)
    assert after.header.get_zooms() == before.header.get_zooms()
    assert after.header.get_xyzt_units() == before.header.get_xyzt_units()
    assert after.get_data_dtype() == before.get_data_dtype()
    np.testing.assert_array_equal(read(tmp_path / f"b{ending}"), images + 3)


def test_what_described_the_old_values_of_a_volume_goes(tmp_path):
    """A scale of real numbers, the range for display, and extensions."""
    values = np.random.default_rng(0).random((3, 4, 5)).astype("f4")
    image = nibabel.Nifti1Image(values, np.eye(4))
    image.header["cal_min"], image.header["cal_max"] = 1, 2
    comment = nibabel.nifti1.Nifti1Extension("comment", b"Secret" * 9)
    image.header.extensions.append(comment)
    path = tmp_path / "a.nii"
    image.to_filename(path)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([2, 7], "<f4").tobytes()
    path.write_bytes(content)
    images = read(path)
    after = nibabel.load(write(tmp_path / "b.nii", images + 3, source_of(path)))
    np.testing.assert_allclose(after.get_fdata(), 2 * values + 10, rtol=1e-6)
    assert after.header["cal_min"] == after.header["cal_max"] == 0
    assert len(after.header.extensions) == 0
    assert b"Secret" not in (tmp_path / "b.nii").read_bytes()
    assert (tmp_path / "b.nii").stat().st_size == 352 + values.nbytes


@pytest.fixture
def slice_path(tmp_path):
    values = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8)
    return write_dicom(tmp_path / "a.dcm", values, **GEOMETRY)


@pytest.mark.parametrize(
    ("scale", "expected"), [((1, -1024), (1, -1024)), ((2, -1024), (1, 0))]
)
def test_a_derived_slice(tmp_path, slice_path, scale, expected):
    slope, intercept = scale
    values = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8)
    elements = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    write_dicom(slice_path, values, **GEOMETRY, **elements)
    image = read(slice_path) + 0.6
    target = write(tmp_path / "b.dcm", image, source_of(slice_path))
    np.testing.assert_allclose(read(target), image, atol=0.5)
    before, after = pydicom.dcmread(slice_path), pydicom.dcmread(target)
    assert (after.RescaleSlope, after.RescaleIntercept) == expected
    hu = after.pixel_array * after.RescaleSlope + after.RescaleIntercept
    np.testing.assert_allclose(hu, image[0], atol=0.5)
    for keyword in GEOMETRY.keys() - {"SeriesInstanceUID"} | {"PatientID"}:
        assert after[keyword].value == before[keyword].value, keyword
    assert list(after.ImageType)[:2] == ["DERIVED", "SECONDARY"]
    assert after.DerivationDescription == ABOUT.text
    [reference] = after.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == before.SOPInstanceUID
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert after[keyword].value != before[keyword].value
        assert after[keyword].value.is_valid
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID


@pytest.mark.parametrize(
    ("slope", "intercept"),
    [
        (".123456789012345", "-1024"),
        ("1", "-.12345678901234"),
        ("1.2345678901E-02", "-1E+1"),
    ],
)
def test_a_scale_of_a_derived_slice_has_16_characters(
    tmp_path, slice_path, slope, intercept
):
    """What the source has with 16 may be longer with its zero before the point."""
    values = np.arange(6 * 8, dtype=np.uint16).reshape(6, 8)
    elements = {"RescaleSlope": slope, "RescaleIntercept": intercept}
    write_dicom(slice_path, values, **GEOMETRY, **elements)
    image = read(slice_path)
    target = write(tmp_path / "b.dcm", image, source_of(slice_path))
    after = pydicom.dcmread(target)
    for keyword in elements:
        assert len(after.get_item(keyword).value) <= 16
        assert float(after[keyword].value) == pytest.approx(float(elements[keyword]))
    np.testing.assert_allclose(read(target), image, rtol=1e-6)
    np.testing.assert_array_equal(after.pixel_array, values)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("ORIGINAL", ["OTHER"]),
        (["ORIGINAL", "PRIMARY"], ["OTHER"]),
        (["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5"], ["AXIAL", "CT_SOM5"]),
        (None, ["OTHER"]),
    ],
)
def test_the_kind_of_a_derived_slice(tmp_path, slice_path, kind, expected):
    dataset = pydicom.dcmread(slice_path)
    if kind:
        dataset.ImageType = kind
    dataset.save_as(slice_path)
    target = write(tmp_path / "b.dcm", read(slice_path), source_of(slice_path))
    found = list(pydicom.dcmread(target).ImageType)
    assert found == ["DERIVED", "SECONDARY", *expected]


def test_slices_of_a_series_stay_one_series(tmp_path):
    found = []
    for number in range(2):
        elements = GEOMETRY | {"SOPInstanceUID": generate_uid()}
        values = np.full((4, 4), 1000, np.uint16)
        path = write_dicom(tmp_path / f"{number}.dcm", values, **elements)
        source = source_of(path)
        for name in ("b.dcm", "c.dcm"):
            found.append(pydicom.dcmread(write(tmp_path / name, read(path), source)))
    assert len({each.SeriesInstanceUID for each in found}) == 1
    # Each written twice: again the same slice.
    assert len({each.SOPInstanceUID for each in found}) == 2


def volume_by_simpleitk(folder):
    reader = SimpleITK.ImageSeriesReader()
    (series,) = reader.GetGDCMSeriesIDs(str(folder))
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder), series))
    return reader.Execute()


def test_a_derived_series_is_the_same_volume_to_simpleitk(tmp_path):
    random = np.random.default_rng(0)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for number in range(3):
        # An oblique series whose order of names is not that of its positions.
        elements = GEOMETRY | {
            "SOPInstanceUID": generate_uid(),
            "InstanceNumber": number + 1,
            "ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1],
            "ImagePositionPatient": [-10 - 1.5 * number, 20 + 2 * number, 33.5],
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
        }
        values = random.integers(0, 3000, (4, 6), np.uint16)
        path = write_dicom(tmp_path / "a" / f"{2 - number}.dcm", values, **elements)
        write(tmp_path / "b" / path.name, read(path) + number, source_of(path))
    before, after = (volume_by_simpleitk(tmp_path / name) for name in "ab")
    assert after.GetSize() == (6, 4, 3)
    assert before.GetSpacing() == after.GetSpacing()
    np.testing.assert_allclose(after.GetSpacing(), (0.8, 0.7, 2.5))
    assert before.GetOrigin() == after.GetOrigin()
    assert before.GetDirection() == after.GetDirection()
    hu, expected = (SimpleITK.GetArrayFromImage(each) for each in (after, before))
    shifts = (hu - expected).astype(float)
    assert np.ptp(shifts, axis=(1, 2)).max() == 0
    assert sorted(shifts[:, 0, 0]) == [0, 1, 2]


@pytest.mark.parametrize("change", [{"method": "sisr_jax x8"}, {"version": "1.1"}])
def test_what_was_done_otherwise_is_another_slice(tmp_path, slice_path, change):
    source, images = source_of(slice_path), read(slice_path)
    one, other = (
        pydicom.dcmread(write(tmp_path / "b.dcm", images, source, about))
        for about in (ABOUT, ABOUT._replace(**change))
    )
    assert one.SOPInstanceUID != other.SOPInstanceUID
    assert one.SeriesInstanceUID != other.SeriesInstanceUID
    assert one.StudyInstanceUID == other.StudyInstanceUID


def test_long_texts_are_cut(tmp_path):
    """What was done stays in the description, rather than what was before."""
    elements = GEOMETRY | {"SeriesDescription": "Thorax " * 9}
    path = write_dicom(tmp_path / "a.dcm", np.ones((4, 4), np.uint16), **elements)
    about = ABOUT._replace(text="long " * 1000)
    after = pydicom.dcmread(
        write(tmp_path / "b.dcm", read(path), source_of(path), about)
    )
    assert len(after.SeriesDescription) == 64
    assert after.SeriesDescription.endswith(f"Thorax {ABOUT.method}")
    assert len(after.DerivationDescription) <= 1024


@pytest.mark.parametrize(
    ("kind", "values"), [("u2", (-1100, 0)), ("i2", (-40000, 0)), ("i2", (0, 40000))]
)
def test_values_that_the_scale_of_a_slice_cannot_hold(tmp_path, kind, values):
    elements = GEOMETRY | {"RescaleSlope": 1, "RescaleIntercept": -1024}
    path = write_dicom(tmp_path / "a.dcm", np.ones((1, 2), kind), **elements)
    target, images = tmp_path / "b.dcm", np.float32([[values]])
    if min(values) > -32768 and max(values) < 32768:
        write(target, images, source_of(path))
        after = pydicom.dcmread(target)
        hu = after.pixel_array * after.RescaleSlope + after.RescaleIntercept
        np.testing.assert_array_equal(hu, images[0])
    else:
        with pytest.raises(InputError, match=r"a\.dcm: values .* do not fit 16 bits"):
            write_images(target, images, source_of(path), ABOUT)


def test_slices_without_an_extension(tmp_path):
    path = write_dicom(tmp_path / "IM7", np.ones((4, 4), np.uint16), **GEOMETRY)
    source = source_of(path)
    assert pydicom.dcmread(write(tmp_path / "IM8", read(path), source)).Rows == 4
    with pytest.raises(InputError, match=r"IM8\.xyz: expected a name that ends with"):
        check_writable(tmp_path / "IM8.xyz", source)


def test_without_a_person(tmp_path):
    elements = GEOMETRY | {"SeriesDescription": "Secret"}
    slice_path = write_dicom(tmp_path / "a.dcm", np.ones((6, 8), np.uint16), **elements)
    about = ABOUT._replace(anonymous=True)
    source = source_of(slice_path)
    target = write(tmp_path / "b.dcm", read(slice_path), source, about)
    content, after = target.read_bytes(), pydicom.dcmread(target)
    before = pydicom.dcmread(slice_path)
    for secret in (b"Secret", b"P-SECRET", b"20200102", before.SOPInstanceUID.encode()):
        assert secret not in content
    assert after.PatientIdentityRemoved == "YES"
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        assert after[keyword].value not in ("", before[keyword].value)
    assert list(after.ImagePositionPatient) == list(before.ImagePositionPatient)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"PixelSpacing": None}, "DICOM without PixelSpacing"),
        ({"ImagePositionPatient": None}, "DICOM without ImagePositionPatient"),
        ({"StudyInstanceUID": None}, "DICOM without StudyInstanceUID"),
        ({"SOPClassUID": None}, "DICOM without SOPClassUID"),
        ({"SOPInstanceUID": None}, "DICOM without SOPInstanceUID"),
        ({"ImagePositionPatient": [0, 0]}, r"ImagePositionPatient = \[0.0, 0.0\], exp"),
        ({"ImageOrientationPatient": [1, 0, 0]}, "ImageOrientationPatient = .* 6 num"),
        ({"NumberOfFrames": 2}, "multi-frame DICOM"),
        ({"SharedFunctionalGroupsSequence": [pydicom.Dataset()]}, "enhanced"),
    ],
)
def test_slices_of_which_none_is_derived(tmp_path, elements, message):
    values = np.zeros((2, 4, 4) if "NumberOfFrames" in elements else (4, 4), np.uint16)
    path = tmp_path / "a.dcm"
    write_dicom(path, values[0] if values.ndim == 3 else values, **GEOMETRY)
    dataset = pydicom.dcmread(path)
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
            dataset.PixelData = values.tobytes()
    dataset.save_as(path)
    with pytest.raises(InputError, match=f"{path}: .*{message}"):
        check_writable(tmp_path / "b.dcm", source_of(path))
    check_writable(tmp_path / "b.tif", source_of(path))


@pytest.mark.parametrize("keyword", ["PatientName", "StudyInstanceUID"])
def test_of_damaged_elements_none_is_derived(tmp_path, keyword):
    """Which are told before hours of work, and without what they hold."""
    path = write_dicom(tmp_path / "a.dcm", np.zeros((4, 4), np.uint16), **GEOMETRY)
    element, content = pydicom.dcmread(path)[keyword], path.read_bytes()
    start = element.tag.group.to_bytes(2, "little")
    start += element.tag.elem.to_bytes(2, "little")
    path.write_bytes(content.replace(start + element.VR.encode(), start + b"QI"))
    expected = f"{path}: DICOM element {keyword} is damaged, expected {element.VR}"
    with pytest.raises(InputError) as error:
        check_writable(tmp_path / "b.dcm", source_of(path))
    assert str(error.value) == expected
    check_writable(tmp_path / "b.tif", source_of(path))


def test_what_a_format_cannot_hold(tmp_path):
    png = source_of(write_png(tmp_path / "a.png", np.full((4, 4), 200, np.uint8)))
    for name, message in (
        ("b.dcm", "DICOM from PNG"),
        ("b.nii", "NIfTI from PNG"),
        ("b.jpg", "expected a name that ends with"),
    ):
        with pytest.raises(InputError, match=rf"{name}: {message}"):
            check_writable(tmp_path / name, png)
    many = png._replace(header=png.header._replace(count=2))
    for kind in ("png", "npy", "npz"):
        with pytest.raises(
            InputError, match=rf"b\.{kind}: 2 images, and \.{kind} holds"
        ):
            check_writable(tmp_path / f"b.{kind}", many)
    there = tmp_path / "b.png"
    there.write_bytes(b"kept")
    with pytest.raises(InputError, match=r"b\.png: values .* do not fit uint8"):
        write_images(there, np.full((1, 4, 4), 1000.0), png, ABOUT)
    assert there.read_bytes() == b"kept"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("ending", [".png", ".tif", ".nii", ".nii.gz", ".npy", ".npz"])
def test_what_is_no_number_is_not_written(tmp_path, slice_path, ending, value):
    """As whole numbers, NaN would be 0 or the lowest of all."""
    source = slice_path
    if ending.startswith(".nii"):
        source = tmp_path / f"a{ending}"
        image = nibabel.Nifti1Image(np.zeros((8, 6, 1), "i2"), np.eye(4))
        image.to_filename(source)
    images = np.zeros((1, 6, 8), np.float32)
    images[0, 2, 3] = value
    target = tmp_path / f"b{ending}"
    with pytest.raises(InputError, match=rf"{target}: 1 of 48 pixels are NaN or inf"):
        write_images(target, images, source_of(source), ABOUT)
    assert not target.exists()
