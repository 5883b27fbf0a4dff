import struct
import zlib

import numpy as np
import pytest
from image_files import cut, ramp, write_png
from PIL import Image

from sisr_jax.data.formats.headers import MAX_PIXELS
from sisr_jax.data.formats.readers import check_file, read_images


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
        ("P", "8-bit palette PNG"),
        ("LA", "8-bit grey with alpha PNG"),
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


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_grey_image_that_was_saved_in_colour(tmp_path, mode):
    values = ramp(dtype=np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(values).convert(mode).save(path)
    assert check_file(path)[:3] == ("PNG", (16, 16), "uint8")
    np.testing.assert_array_equal(read(path, (2.0, -5.0)), values * 2.0 - 5)


def test_coloured_and_transparent_pixels_are_refused(tmp_path):
    values = np.stack([ramp(dtype=np.uint8)] * 4, axis=-1)
    values[..., 3] = 255
    values[3, 4, :3] = 200, 191, 200
    Image.fromarray(values).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png: 1 of 256 pixels are coloured"):
        read(tmp_path / "a.png")
    values[3, 4] = 9, 9, 9, 254
    Image.fromarray(values).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png: PNG with transparent pixels"):
        read(tmp_path / "b.png")


def test_sixteen_bits_in_colour_are_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(_png_header(16, 16, 16, 2))
    with pytest.raises(ValueError, match=r"a\.png: 16-bit RGB PNG, expected"):
        check_file(path)


def test_animation_is_refused(tmp_path):
    path = tmp_path / "a.png"
    pages = [Image.fromarray(ramp(dtype=np.uint8, start=i)) for i in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"a\.png: animated PNG of 2 images"):
        read(path)


def test_an_image_that_is_to_be_turned_is_refused(tmp_path):
    path = tmp_path / "a.png"
    exif = Image.Exif()
    for orientation in (1, 6):
        exif[274] = orientation
        Image.fromarray(ramp(dtype=np.uint8)).save(path, exif=exif)
        if orientation == 1:
            read(path)
    with pytest.raises(ValueError, match=r"a\.png: PNG in orientation 6, expected 1"):
        read(path)


@pytest.mark.parametrize(
    ("mode", "value", "is_there"),
    [
        ("L", 7, True),
        ("L", 255, False),
        ("I;16", 7, True),
        ("I;16", 256 + 7, False),  # the same in 8 bits
        ("RGB", (7, 7, 7), True),
        ("RGB", (7, 7, 8), False),
    ],
)
def test_a_value_that_stands_for_transparent_is_refused(
    tmp_path, mode, value, is_there
):
    """As alpha is: a pixel that viewers hide is no measured one."""
    kind = np.uint16 if mode == "I;16" else np.uint8
    values = np.arange(240, dtype=kind).reshape(15, 16)
    image = Image.fromarray(values)
    image = image.convert(mode) if mode == "RGB" else image
    assert image.mode == mode
    image.save(tmp_path / "a.png", transparency=value)
    assert b"tRNS" in (tmp_path / "a.png").read_bytes()
    if is_there:
        with pytest.raises(ValueError, match=r"a\.png: PNG with transparent pixels"):
            read(tmp_path / "a.png")
    else:
        np.testing.assert_array_equal(read(tmp_path / "a.png"), values)
