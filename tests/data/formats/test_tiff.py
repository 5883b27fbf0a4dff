import struct

import numpy as np
import pytest
from image_files import cut, ramp
from PIL import Image

from sisr_jax.data.formats.headers import MAX_PIXELS
from sisr_jax.data.formats.readers import check_file, read_images


def write_tiff(path, *pages, **options):
    images = [Image.fromarray(page) for page in pages]
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def read(path, rescale=(1.0, 0.0)):
    header = check_file(path)
    return list(read_images(path, range(header.count), rescale))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_tiff_is_exact(tmp_path, dtype, compression):
    values = np.linspace(0, 255, 63).reshape(7, 9).astype(dtype)
    path = write_tiff(tmp_path / "a.tif", values, compression=compression)
    stored = dtype != np.float32
    assert check_file(path)[:4] == ("TIFF", (7, 9), np.dtype(dtype).name, 1)
    assert check_file(path).stored == stored
    [image] = read(path, (2.0, -5.0))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, values * 2.0 - 5 if stored else values)


def write_by_hand(path, values, *, order, kind=1, **changed):
    """An uncompressed TIFF, one strip, of any byte order and sample format."""
    height, width = values.shape
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    tags = {
        256: width,
        257: height,
        258: 8 * values.itemsize,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: height,
        279: len(data),
        339: kind,
    } | {int(tag): value for tag, value in changed.pop("tags", {}).items()}
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    table = struct.pack(f"{order}H", len(tags)) + b"".join(
        struct.pack(f"{order}HHII", tag, 4, 1, value)
        for tag, value in sorted(tags.items())
    )
    offset = struct.pack(f"{order}I", 8 + len(data))
    path.write_bytes(head + offset + data + table + bytes(4))
    return path


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("dtype", "kind"), [(np.uint16, 1), (np.int16, 2), (np.float32, 3)]
)
def test_both_byte_orders(tmp_path, order, dtype, kind):
    values = ramp((5, 4), dtype, start=-3 if kind > 1 else 300)
    path = write_by_hand(tmp_path / "a.tiff", values, order=order, kind=kind)
    [image] = read(path)
    np.testing.assert_array_equal(image, values)


def test_pages_are_images(tmp_path):
    pages = [ramp(start=1000 * i) for i in range(3)]
    path = write_tiff(tmp_path / "a.tif", *pages)
    assert check_file(path).count == 3
    np.testing.assert_array_equal(read(path), pages)
    [last] = read_images(path, [2], (1.0, 0.0))
    np.testing.assert_array_equal(last, pages[2])
    with pytest.raises(ValueError, match=r"a\.tif: no page 3"):
        list(read_images(path, [3], (1.0, 0.0)))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({262: 0}, "inverted"),
        ({262: 2}, "damaged TIFF"),
        ({277: 3}, "damaged TIFF"),
        ({258: 8, 339: 2}, "8-bit values in sample format 2"),
        ({258: 12}, "12-bit values"),
        ({274: 6}, "orientation 6"),
        ({256: 2**13, 257: 2**13}, f"8192x8192 pixels, .* {MAX_PIXELS}"),
        ({256: 2**20, 257: 2**20}, "decompression bomb"),
        ({257: 0}, "TIFF"),
        ({273: 10**6}, "truncated TIFF"),
        ({279: 10**6}, "truncated TIFF"),
        ({278: 2**31, 257: 4000, 256: 4000}, "TIFF"),
        ({322: 2**31, 323: 2**31, 324: 8, 325: 9}, "2147483648x2147483648 pixels"),
    ],
)
def test_tags_that_ask_too_much(tmp_path, tags, message):
    path = write_by_hand(tmp_path / "a.tif", ramp(), order="<", tags=tags)
    with pytest.raises(ValueError, match=rf"a\.tif: .*{message}") as error:
        read(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("mode", "name"), [("P", "palette"), ("RGBA", "RGB")])
def test_colour(tmp_path, mode, name):
    path = tmp_path / "a.tif"
    Image.fromarray(ramp(dtype=np.uint8)).convert(mode).save(path)
    with pytest.raises(ValueError, match=rf"a\.tif: {name} TIFF, expected grey"):
        check_file(path)


def test_pages_that_differ(tmp_path):
    path = write_tiff(tmp_path / "a.tif", ramp(), ramp((16, 8)))
    with pytest.raises(ValueError, match=r"page 1 is \(16, 8\) uint16, page 0 is"):
        check_file(path)


@pytest.mark.parametrize("keep", [0.0, 0.01, 0.5, 0.9])
def test_truncated(tmp_path, keep):
    path = cut(write_tiff(tmp_path / "a.tif", ramp((64, 64))), keep)
    with pytest.raises(ValueError, match=r"a\.tif: "):
        read(path)


def test_float_that_is_not_finite(tmp_path):
    values = np.array([[1.0, np.nan], [np.inf, 2.0]], np.float32)
    with pytest.raises(ValueError, match=r"a\.tif: 2 of 4 pixels are NaN"):
        read(write_tiff(tmp_path / "a.tif", values))
