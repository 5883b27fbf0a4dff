"""DICOM files as they come: without a preamble, deflated, cut off and hostile."""

import struct
import time
import tracemalloc
import warnings
import zlib

import numpy as np
import pydicom
import pytest
from image_files import cut, ramp, write_dicom
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from sisr_jax.data.formats.dicom.patient import read_person
from sisr_jax.data.formats.readers import check_file, find_reader, read_images
from sisr_jax.errors import InputError


def read(path):
    return list(read_images(path, range(check_file(path).count), (7.0, 7.0)))


def write_bare(path, *, syntax, name="a.dcm"):
    """A dataset alone, as programs wrote it before there was a preamble."""
    dataset = pydicom.dcmread(path)
    implicit = syntax == ImplicitVRLittleEndian
    little = syntax != ExplicitVRBigEndian
    bare = pydicom.Dataset()
    bare.update(dataset)
    if not little:
        bare.PixelData = dataset.pixel_array.byteswap().tobytes()
        bare["PixelData"].VR = "OW"
    bare.save_as(
        path.with_name(name),
        implicit_vr=implicit,
        little_endian=little,
        enforce_file_format=False,
    )
    return path.with_name(name)


@pytest.mark.parametrize("name", ["b.dcm", "IM_0001"])
@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, "explicit little"]
)
def test_without_a_preamble(tmp_path, syntax, name):
    source = write_dicom(tmp_path / "a.dcm", ramp())
    path = write_bare(source, syntax=syntax, name=name)
    assert path.read_bytes()[128:132] != b"DICM"
    assert find_reader(path) is not None
    np.testing.assert_array_equal(read(path)[0], ramp() * 2.0 - 1024)
    assert read_person(path) == read_person(source) != ("", "", "")


@pytest.mark.parametrize(
    "content", [b"", b"\x08\0", b"hello world", b"P5 16 16 255 ", bytes(200)]
)
def test_what_does_not_begin_as_dicom(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    assert find_reader(tmp_path / "a.txt") is None
    (tmp_path / "a.dcm").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.dcm: (empty file|not a DICOM file)"):
        check_file(tmp_path / "a.dcm")


@pytest.mark.parametrize("keep", [0.0, 0.1, 0.5])
def test_truncated_dicom(tmp_path, keep):
    path = cut(write_dicom(tmp_path / "cut.dcm", ramp((64, 64))), keep)
    with pytest.raises(ValueError, match=r"cut\.dcm: "):
        check_file(path)


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
    np.testing.assert_array_equal(read(path)[0], ramp() * 2.0 - 1024)
    opening = "sisr_jax.data.formats.dicom.opening"
    monkeypatch.setattr(f"{opening}._MAX_INFLATED_BYTES", 100_000)
    assert check_file(path).shape == (16, 16)
    bomb = save_deflated(tmp_path / "c.dcm", source, zeros=200_000)
    assert bomb.stat().st_size < 10_000
    with pytest.raises(ValueError, match=r"c\.dcm: .*inflates to more than 100000"):
        check_file(bomb)
    monkeypatch.setattr(f"{opening}._MAX_FILE_BYTES", 100)
    with pytest.raises(ValueError, match=r"a\.dcm: .* bytes, expected at most"):
        check_file(source)


def write_deflated(path, elements):
    """A deflated file whose dataset is some raw bytes before its pixels."""
    source = write_dicom(path, ramp())
    dataset = pydicom.dcmread(source)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path)
    data = path.read_bytes()
    start = 144 + struct.unpack_from("<I", data, 140)[0]
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(data[:start] + stream.compress(elements) + stream.flush())
    return path


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        (bytes(2**27), "inflates to more than"),
        (b"\x09\0\x01\0LO\0\0" * 2**22, "too many elements"),
        (b"\x09\0\x01\0SQ\0\0\xff\xff\xff\xff" * 2**20, "damaged"),
        (b"\x09\0\x01\0SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0" * 2**20, "damaged"),
    ],
)
def test_small_files_that_ask_for_much(tmp_path, elements, message):
    path = write_deflated(tmp_path / "a.dcm", elements)
    assert path.stat().st_size < 300_000
    started = time.perf_counter()
    with pytest.raises(InputError, match=rf"a\.dcm: .*{message}"):
        check_file(path)
    assert time.perf_counter() - started < 10


def test_inflating_takes_little_memory(tmp_path):
    path = write_deflated(tmp_path / "a.dcm", bytes(2**27))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"inflates to more than"):
        check_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150 * 2**20


def test_long_elements_are_refused_or_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr("sisr_jax.data.formats.dicom.opening._MAX_ELEMENT_BYTES", 2000)
    path = write_dicom(tmp_path / "a.dcm", ramp())
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00090010, "LO", "private")
    dataset.add_new(0x00091001, "OB", bytes(5000))
    dataset.save_as(path)
    assert check_file(path).shape == (16, 16)
    dataset.ImageType = ["x" * 16] * 200
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"element \(0008,0008\) of 3400 bytes"):
        check_file(path)


def test_sequence_of_too_many_items(tmp_path, monkeypatch):
    monkeypatch.setattr("sisr_jax.data.formats.dicom.opening._MAX_ITEMS", 3)
    path = write_dicom(tmp_path / "a.dcm", ramp())
    dataset = pydicom.dcmread(path)
    for count in (3, 4):
        dataset.PerFrameFunctionalGroupsSequence = [pydicom.Dataset()] * count
        dataset.NumberOfFrames = count
        dataset.PixelData = ramp().tobytes() * count
        dataset.save_as(path)
        if count == 3:
            assert check_file(path).count == 3
    with pytest.raises(InputError, match="of 4 items, expected at most 3"):
        check_file(path)


def test_nothing_that_pydicom_says_is_shown(tmp_path, caplog):
    elements = {"SpecificCharacterSet": "ISO_IR 999", "PatientID": "É-SECRET"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = write_dicom(tmp_path / "a.dcm", ramp(), **elements)
    caplog.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check_file(path)
        assert len(read(path)) == 1
        assert read_person(path).written
    assert [str(warning.message) for warning in caught] == []
    assert caplog.messages == []
