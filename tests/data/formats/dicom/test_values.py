"""Physical values of DICOM: where the rescale stands, tables and bits."""

import numpy as np
import pydicom
import pytest
from image_files import ramp, write_dicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    RLELossless,
)

from experiments.reliability.fuzzing.enhanced_dicom import (
    place_group,
    rescale_group,
    write_enhanced,
)
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.errors import InputError

CT = {"Modality": "CT"}


def read(path):
    return list(read_images(path, range(check_file(path).count), (7.0, 7.0)))


@pytest.mark.parametrize("where", ["shared", "own"])
@pytest.mark.parametrize("count", [1, 3])
def test_enhanced_ct_is_in_hu(tmp_path, where, count):
    frames = [ramp(dtype=np.int16, start=24 + 100 * i) for i in range(count)]
    groups = {"shared": [rescale_group(2, -1024)]}
    if where == "own":
        groups = {"own": [[rescale_group(2, -1024 - i)] for i in range(count)]}
    path = write_enhanced(tmp_path / "a.dcm", frames, **groups)
    header = check_file(path)
    assert (header.shape, header.count) == ((16, 16), count)
    images = read(path)
    for i in range(count):
        offset = -1024 - (i if where == "own" else 0)
        np.testing.assert_array_equal(images[i], frames[i] * 2.0 + offset)
    [last] = read_images(path, [count - 1], (1.0, 0.0))
    np.testing.assert_array_equal(last, images[-1])


def test_enhanced_ct_states_its_place_in_functional_groups(tmp_path):
    own = [[rescale_group(1, 0), place_group(z)] for z in (7.5, 9)]
    orientation = Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared = Dataset()
    shared.PlaneOrientationSequence = Sequence([orientation])
    path = write_enhanced(
        tmp_path / "a.dcm",
        [ramp(dtype=np.int16, start=0)] * 2,
        shared=[shared],
        own=own,
        SeriesInstanceUID="1.2.3",
    )
    assert check_file(path).series.startswith("1.2.3 ")
    assert check_file(path).position == 7.5


@pytest.mark.parametrize(
    ("shared", "own", "elements", "message"),
    [
        ([rescale_group(1, 0)], [[rescale_group(1, -1024)]] * 2, {}, "2 rescales"),
        ([], [[rescale_group(1, 0)]], {}, "0 shared and 1 functional groups of frames"),
        (
            [rescale_group(1, 0)],
            [],
            {"RescaleSlope": 1, "RescaleIntercept": -1024},
            "2 rescales",
        ),
        ([], [], {}, "CT without a rescale slope"),
        ([rescale_group(1, 0, "MGML")], [], {}, "CT of values in 'MGML', expected HU"),
        ([], [[rescale_group(1, 0)], [place_group(0)]], {}, "CT without a rescale"),
    ],
)
def test_enhanced_ct_that_cannot_be_hu(tmp_path, shared, own, elements, message):
    frames = [ramp(start=0)] * 2
    path = write_enhanced(
        tmp_path / "a.dcm", frames, shared=shared, own=own, **elements
    )
    with pytest.raises(InputError, match=rf"a\.dcm: .*{message}") as error:
        check_file(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept", "both"])
@pytest.mark.parametrize("modality", ["CT", "US"])
def test_empty_rescale_is_refused_by_the_header_check(tmp_path, keyword, modality):
    elements = {"RescaleSlope": "", "RescaleIntercept": ""}
    if keyword != "both":
        elements = {keyword: ""}
    path = write_dicom(tmp_path / "a.dcm", ramp(), Modality=modality, **elements)
    with pytest.raises(InputError, match=r"a\.dcm: .* or empty ones"):
        check_file(path)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"BitsStored": None}, "BitsStored None and HighBit 15"),
        ({"BitsStored": 0}, "BitsStored 0"),
        ({"BitsStored": 17}, "BitsStored 17"),
        ({"BitsStored": 12, "HighBit": 9}, "HighBit 9"),
        ({"PixelRepresentation": None}, "PixelRepresentation None"),
        ({"SamplesPerPixel": None}, "DICOM with None samples a pixel"),
        ({"PhotometricInterpretation": None}, "photometric interpretation None"),
        ({"RescaleType": "EDW"}, "CT of values in 'EDW', expected HU"),
        ({"DoseGridScaling": 1.0}, "radiation dose"),
    ],
)
def test_header_that_leaves_the_values_open(tmp_path, elements, message):
    path = write_dicom(tmp_path / "a.dcm", ramp(), **CT, **elements)
    with pytest.raises(InputError, match=rf"a\.dcm: .*{message}"):
        check_file(path)


def table(first, bits, entries, *, as_bytes):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS", [len(entries) % 2**16, first, bits])
    data = np.asarray(entries, "<u2")
    if as_bytes:
        item.add_new("LUTData", "OW", data.tobytes())
    else:
        item.add_new("LUTData", "US", data.tolist())
    return Sequence([item])


def write_table(path, values, sequence):
    elements = {"RescaleSlope": None, "RescaleIntercept": None, "Modality": "MR"}
    return write_dicom(path, values, ModalityLUTSequence=sequence, **elements)


@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_look_up_table(tmp_path, bits, as_bytes):
    values = np.arange(-5, 7, dtype=np.int16).reshape(3, 4)
    entries = (7 * np.arange(8)) % 2**bits
    path = write_table(
        tmp_path / "a.dcm", values, table(-3, bits, entries, as_bytes=as_bytes)
    )
    expected = [[0, 0, 0, 7], [14, 21, 28, 35], [42, 49, 49, 49]]
    np.testing.assert_array_equal(read(path)[0], expected)


def test_start_of_a_table_follows_the_sign_of_the_pixels(tmp_path):
    values = np.array([[-4, -3, -2, 9]], np.int16)
    sequence = table(-3, 8, [5, 6, 7, 8], as_bytes=True)
    del sequence[0].LUTDescriptor
    sequence[0].add_new("LUTDescriptor", "US", [4, 2**16 - 3, 8])
    path = write_table(tmp_path / "a.dcm", values, sequence)
    np.testing.assert_array_equal(read(path)[0], [[5, 5, 6, 8]])


@pytest.mark.parametrize(
    ("bits", "entries", "message"),
    [(20, [1, 2], "2 entries of 20 bits"), (8, [1, 300], "found 2 up to 300")],
)
def test_damaged_look_up_table(tmp_path, bits, entries, message):
    path = write_table(
        tmp_path / "a.dcm", ramp(), table(0, bits, entries, as_bytes=True)
    )
    with pytest.raises(InputError, match=message):
        check_file(path)


def test_empty_look_up_table_counts_as_none(tmp_path):
    path = write_dicom(
        tmp_path / "a.dcm", ramp(), **CT, ModalityLUTSequence=Sequence([])
    )
    np.testing.assert_array_equal(read(path)[0], ramp() * 2.0 - 1024)


def test_table_of_ct_cannot_be_hu(tmp_path):
    sequence = table(0, 16, [1, 2], as_bytes=True)
    path = write_dicom(
        tmp_path / "a.dcm",
        ramp(),
        **CT,
        ModalityLUTSequence=sequence,
        RescaleSlope=None,
        RescaleIntercept=None,
    )
    with pytest.raises(InputError, match="not HU"):
        check_file(path)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_bits_that_are_not_stored_do_not_count(tmp_path, signed, compressed):
    # Twelve bits with an overlay in the upper four, as old files have it.
    values = np.arange(-8, 8) if signed else np.arange(16) * 256
    words = ((values & 0xFFF) | 0xA000).astype(np.uint16)
    dtype = np.int16 if signed else np.uint16
    path = write_dicom(
        tmp_path / "a.dcm",
        words.view(dtype).reshape(4, 4),
        Modality="MR",
        BitsStored=12,
        HighBit=11,
    )
    if compressed:
        dataset = pydicom.dcmread(path)
        dataset.BitsStored, dataset.HighBit = 16, 15
        dataset.compress(RLELossless)
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.save_as(path)
    np.testing.assert_array_equal(read(path)[0].ravel(), values * 2.0 - 1024)


def test_bits_in_the_upper_part_of_a_word(tmp_path):
    values = np.arange(16).reshape(4, 4) * 256
    path = write_dicom(
        tmp_path / "a.dcm",
        (values << 4 | 5).astype(np.uint16),
        BitsStored=12,
        HighBit=15,
    )
    np.testing.assert_array_equal(read(path)[0], values * 2.0 - 1024)


@pytest.mark.parametrize("where", ["header", "group"])
def test_real_world_values_are_no_rescale(tmp_path, where):
    """They say what is HU, but nothing here reads them."""
    mapping = Dataset()
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 1.0, -1024.0
    values = ramp(dtype=np.int16, start=0)
    if where == "header":
        elements = CT | {"RescaleSlope": None, "RescaleIntercept": None}
        path = write_dicom(tmp_path / "a.dcm", values, **elements)
        dataset = pydicom.dcmread(path)
        dataset.RealWorldValueMappingSequence = Sequence([mapping])
        dataset.save_as(path)
    else:
        group = Dataset()
        group.RealWorldValueMappingSequence = Sequence([mapping])
        path = write_enhanced(tmp_path / "a.dcm", [values], shared=[group])
    with pytest.raises(InputError, match="by a real world value mapping only"):
        check_file(path)


def test_a_modality_in_small_letters_is_ct(tmp_path):
    elements = CT | {"RescaleSlope": None, "RescaleIntercept": None}
    path = write_dicom(tmp_path / "a.dcm", ramp(), **elements)
    content = path.read_bytes()
    assert content.count(b"CS\2\0CT") == 1
    path.write_bytes(content.replace(b"CS\2\0CT", b"CS\2\0ct"))
    with pytest.raises(InputError, match="CT without a rescale slope"):
        check_file(path)
