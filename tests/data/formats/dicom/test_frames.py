"""Frames of DICOM: loops, colour, codecs and their bounds."""

import io
import struct

import numpy as np
import pydicom
import pytest
from image_files import cut, ramp, write_dicom
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    RLELossless,
)

from sisr_jax.data.formats.readers import (
    check_file,
    read_images,
)
from sisr_jax.errors import InputError


def read(path):
    return list(read_images(path, range(check_file(path).count), (7.0, 7.0)))


def write_frames(path, frames, **elements):
    """A cine loop `[frames, height, width]`, or with three samples a pixel."""
    write_dicom(path, frames[0], Modality="US")
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = frames.tobytes()
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, 0
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def frames_of(count=3, shape=(16, 12)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("coloured", [False, True])
def test_cine_loop(tmp_path, coloured, compressed):
    frames = frames_of()
    stored = np.stack([frames] * 3, axis=-1) if coloured else frames
    path = write_frames(tmp_path / "a.dcm", stored)
    if compressed:
        dataset = pydicom.dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)
    assert check_file(path)[:4] == ("DICOM", (16, 12), "uint8", 3)
    np.testing.assert_array_equal(read(path), frames)
    [last] = read_images(path, [2], (1.0, 0.0))
    np.testing.assert_array_equal(last, frames[2])
    with pytest.raises(InputError, match=r"a\.dcm: no frame 3"):
        list(read_images(path, [3], (1.0, 0.0)))


def compress(path, frames, syntax, **options):
    """Frames compressed by Pillow, one fragment each."""
    dataset = pydicom.dcmread(path)
    encoded = []
    for frame in frames:
        file = io.BytesIO()
        Image.fromarray(frame).save(file, **options)
        encoded.append(file.getvalue())
    dataset.PixelData = encapsulate(encoded)
    dataset["PixelData"].VR = "OB"
    dataset.NumberOfFrames = len(frames)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    return path


def test_cine_loop_in_jpeg_is_grey(tmp_path):
    y, x = np.mgrid[:32, :24]
    frames = np.stack([(4 * x + 3 * y + 10 * i) % 200 for i in range(2)])
    frames = frames.astype(np.uint8)
    stored = np.stack([frames] * 3, axis=-1)
    path = write_frames(tmp_path / "a.dcm", stored)
    dataset = pydicom.dcmread(path)
    dataset.PhotometricInterpretation = "YBR_FULL_422"
    dataset.save_as(path)
    compress(path, stored, JPEGBaseline8Bit, format="JPEG", quality=95)
    images = read(path)
    assert np.abs(images - frames.astype(np.float32)).mean() < 3


def test_coloured_frames_are_refused_when_they_are_decoded(tmp_path):
    stored = np.stack([frames_of()] * 3, axis=-1)
    stored[:, 3, 4] = 200, 10, 10
    path = write_frames(tmp_path / "a.dcm", stored)
    with pytest.raises(InputError, match=r"a\.dcm: 1 of 192 pixels are coloured"):
        read(path)


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Modality": "CT"}, "3 samples a pixel"),
        ({"PlanarConfiguration": None}, "without PlanarConfiguration"),
    ],
)
def test_colour_that_is_not_read(tmp_path, elements, message):
    path = write_frames(tmp_path / "a.dcm", np.stack([frames_of()] * 3, axis=-1))
    dataset = pydicom.dcmread(path)
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    with pytest.raises(InputError, match=message):
        check_file(path)


@pytest.mark.parametrize(
    ("syntax", "options"),
    [
        (JPEG2000Lossless, {"format": "JPEG2000", "no_jp2": True}),
        (JPEGBaseline8Bit, {"format": "JPEG"}),
    ],
)
def test_codestream_larger_than_the_header(tmp_path, syntax, options):
    path = write_frames(tmp_path / "a.dcm", frames_of())
    compress(path, frames_of(), syntax, **options)
    assert len(read(path)) == 3
    large = np.zeros((2, 1000, 800), np.uint8)
    compress(path, large, syntax, **options)
    with pytest.raises(InputError, match=r"frame of 1000x800 in .* says 16x12"):
        read(path)


@pytest.mark.parametrize(
    ("syntax", "options"),
    [
        (JPEG2000Lossless, {"format": "JPEG2000", "no_jp2": True}),
        (JPEGBaseline8Bit, {"format": "JPEG"}),
    ],
)
def test_frame_that_is_cut_off_inside_its_fragment(tmp_path, syntax, options):
    path = write_frames(tmp_path / "a.dcm", frames_of())
    file = io.BytesIO()
    Image.fromarray(frames_of()[0]).save(file, **options)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([file.getvalue()[:-20]] * 3)
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"a\.dcm: frame in JPEG .* is cut off"):
        read(path)


def test_many_tiles(tmp_path, monkeypatch):
    monkeypatch.setattr("sisr_jax.data.formats.dicom.frames._MAX_TILES", 5)
    path = write_frames(tmp_path / "a.dcm", frames_of())
    options = {"format": "JPEG2000", "no_jp2": True}
    compress(path, frames_of(), JPEG2000Lossless, **options, tile_size=(8, 8))
    assert len(read(path)) == 3
    monkeypatch.setattr("sisr_jax.data.formats.dicom.frames._MAX_TILES", 3)
    with pytest.raises(InputError, match="4 tiles, expected 3 at most"):
        read(path)


def test_signed_codestream_under_an_unsigned_header(tmp_path):
    path = write_frames(tmp_path / "a.dcm", frames_of())
    file = io.BytesIO()
    Image.fromarray(frames_of()[0]).save(file, format="JPEG2000", no_jp2=True)
    stream = bytearray(file.getvalue())
    stream[42] |= 0x80  # Ssiz of the first component
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([bytes(stream)] * 3)
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"signed frame in .* says unsigned"):
        read(path)


def test_container_around_a_codestream(tmp_path):
    path = write_frames(tmp_path / "a.dcm", frames_of())
    # The length of its box is 0, at which a search for the codestream never ends.
    box = b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(64)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = encapsulate([box] * 3)
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    with pytest.raises(InputError, match="no JPEG 2000 codestream"):
        read(path)


def test_jpeg_of_twelve_bits_is_refused_by_the_header_check(tmp_path, monkeypatch):
    from pydicom.pixels.decoders.base import get_decoder

    decoder = get_decoder(JPEGExtended12Bit)
    available = {k: v for k, v in decoder._available.items() if k == "pillow"}
    monkeypatch.setattr(decoder, "_available", available)
    path = write_frames(tmp_path / "a.dcm", frames_of())
    compress(path, frames_of(), JPEGExtended12Bit, format="JPEG")
    assert len(read(path)) == 3
    write_dicom(
        path, ramp(), transfer_syntax=JPEGExtended12Bit, BitsStored=12, HighBit=11
    )
    with pytest.raises(InputError, match="12 bits compressed as JPEG Extended"):
        check_file(path)


def test_compressed_pixels_that_are_cut_off(tmp_path):
    path = write_frames(tmp_path / "a.dcm", frames_of())
    compress(path, frames_of(), JPEGBaseline8Bit, format="JPEG")
    cut(path, 0.9)
    with pytest.raises(InputError, match=r"a\.dcm: truncated or damaged DICOM, in its"):
        check_file(path)


def test_fewer_compressed_frames_than_stated(tmp_path):
    path = write_frames(tmp_path / "a.dcm", frames_of())
    compress(path, frames_of(), JPEGBaseline8Bit, format="JPEG")
    dataset = pydicom.dcmread(path)
    dataset.NumberOfFrames = 4
    dataset.save_as(path)
    with pytest.raises(InputError, match="DICOM of 4 frames, but 3 compressed ones"):
        check_file(path)


@pytest.mark.parametrize("stated", [None, 0, 2])
def test_more_frames_than_stated(tmp_path, stated):
    """Those behind would be left out."""
    path = write_frames(tmp_path / "a.dcm", frames_of(), NumberOfFrames=stated)
    expected = 192 * (stated or 1)
    match = f"576 bytes of pixels, expected {expected} by its NumberOfFrames"
    with pytest.raises(InputError, match=match):
        check_file(path)


@pytest.mark.parametrize("stated", [None, 2])
@pytest.mark.parametrize("has_table", [False, True])
def test_more_compressed_frames_than_stated(tmp_path, stated, has_table):
    """Those behind would be left out."""
    path = write_frames(tmp_path / "a.dcm", frames_of())
    compress(path, frames_of(), JPEGBaseline8Bit, format="JPEG")
    dataset = pydicom.dcmread(path)
    frames = [*generate_frames(dataset.PixelData, number_of_frames=3)]
    dataset.PixelData = encapsulate(frames, has_bot=has_table)
    dataset.NumberOfFrames = stated
    dataset.save_as(path)
    match = f"3 compressed frames, expected {stated or 1} by its NumberOfFrames"
    with pytest.raises(InputError, match=match):
        check_file(path)


def test_a_compressed_frame_in_several_fragments(tmp_path):
    path = write_frames(tmp_path / "a.dcm", frames_of())
    compress(path, frames_of(), JPEGBaseline8Bit, format="JPEG")
    expected = read(path)
    dataset = pydicom.dcmread(path)
    frames = [*generate_frames(dataset.PixelData, number_of_frames=3)]
    dataset.PixelData = encapsulate(frames, fragments_per_frame=2)
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path), expected)


def test_run_length_encoding_that_expands(tmp_path, monkeypatch):
    monkeypatch.setattr("sisr_jax.data.formats.dicom.frames._MAX_RLE_BYTES", 1000)
    path = write_dicom(tmp_path / "a.dcm", ramp())
    dataset = pydicom.dcmread(path)
    header = struct.pack("<16I", 2, 64, 1064, *[0] * 13)
    dataset.PixelData = encapsulate([header + b"\x81\0" * 1000])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.save_as(path)
    with pytest.raises(InputError, match=r"run-length encoded frame of 2064 bytes"):
        read(path)


def test_dicom_with_pixels_that_do_not_decode(tmp_path):
    from pydicom.uid import RLELossless

    path = write_dicom(tmp_path / "bad.dcm", ramp(), transfer_syntax=RLELossless)
    check_file(path)
    with pytest.raises(ValueError, match=r"bad\.dcm: pixels cannot be .* RLE"):
        read(path)


def test_dicom_run_length_encoded(tmp_path):
    from pydicom.uid import RLELossless

    path = write_dicom(tmp_path / "a.dcm", ramp())
    dataset = pydicom.dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    np.testing.assert_array_equal(read(path)[0], ramp() * 2.0 - 1024)
