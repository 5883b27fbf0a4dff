import struct

import numpy as np
import pytest
from image_files import cut
from PIL import Image

from sisr_jax.data.formats.jpeg import MAX_SCANS, find_frame
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.errors import InputError


def smooth():
    y, x = np.mgrid[:40, :24]
    return (4 * x + 3 * y).astype(np.uint8)


def write(path, values=None, **options):
    image = Image.fromarray(smooth() if values is None else values)
    image.save(path, format="JPEG", **({"quality": 95} | options))
    return path


def read(path, rescale=(1.0, 0.0)):
    [image] = read_images(path, [0], rescale)
    assert image.shape == check_file(path).shape
    return image


@pytest.mark.parametrize("name", ["a.jpg", "a.JPEG"])
@pytest.mark.parametrize("progressive", [False, True])
def test_grey_jpeg(tmp_path, name, progressive):
    path = write(tmp_path / name, progressive=progressive)
    header = check_file(path)
    assert header[:4] == ("JPEG", (40, 24), "uint8", 1)
    assert header.stored
    expected = 2.0 * np.asarray(Image.open(path)) - 5
    np.testing.assert_array_equal(read(path, (2.0, -5.0)), expected)
    assert np.abs(expected - (2.0 * smooth() - 5)).mean() < 3


def test_grey_jpeg_that_was_saved_in_colour(tmp_path):
    path = write(tmp_path / "a.jpg", np.stack([smooth()] * 3, axis=-1))
    assert np.abs(read(path) - smooth()).mean() < 2


def test_coloured_jpeg_is_refused(tmp_path):
    values = np.stack([smooth()] * 3, axis=-1)
    values[8:24, 8:16] = 200, 30, 30
    path = write(tmp_path / "a.jpg", values)
    with pytest.raises(InputError, match=r"a\.jpg: \d+ of 960 pixels are coloured"):
        read(path)


@pytest.mark.parametrize("keep", [0.01, 0.5, 0.95])
def test_truncated_jpeg(tmp_path, keep):
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.jpg", rng.integers(0, 255, (99, 99), np.uint8))
    cut(path, keep)
    with pytest.raises(InputError, match=r"a\.jpg: (truncated|not a) .*"):
        check_file(path)


def test_orientation_is_refused(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    path = write(tmp_path / "a.jpg", exif=exif)
    with pytest.raises(InputError, match="orientation 6, expected 1"):
        read(path)


def frame(kind=0xC0, precision=8, height=40, width=24, components=1):
    return struct.pack(">BBHBHHB", 0xFF, kind, 11, precision, height, width, components)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"precision": 12, "kind": 0xC1}, "12 bits, process 1"),
        ({"kind": 0xC3}, "8 bits, process 3"),
        ({"kind": 0xC9}, "8 bits, process 9"),
        ({"components": 4}, "4 colours"),
        ({"width": 60000, "height": 60000}, "60000x60000 pixels"),
        ({"height": 0}, "0x24 pixels"),
    ],
)
def test_header_that_asks_too_much(tmp_path, changed, message):
    data = write(tmp_path / "a.jpg").read_bytes()
    assert data.count(frame()) == 1
    (tmp_path / "a.jpg").write_bytes(data.replace(frame(), frame(**changed)))
    with pytest.raises(InputError, match=rf"a\.jpg: .*{message}"):
        check_file(tmp_path / "a.jpg")


def test_many_scans(tmp_path):
    path = write(tmp_path / "a.jpg")
    scans = b"\xff\xda" * (MAX_SCANS + 1)
    path.write_bytes(path.read_bytes()[:-2] + scans + b"\xff\xd9")
    with pytest.raises(InputError, match=f"JPEG of {MAX_SCANS + 2} scans"):
        check_file(path)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\0\0" * 9, b"\xff\xd8" + b"\xff" * 99]
)
def test_stream_without_a_frame(data):
    with pytest.raises(ValueError, match="no JPEG frame header"):
        find_frame(data)
