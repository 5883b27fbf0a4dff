import struct

import numpy as np
import pytest
from image_files import cut, ramp
from PIL import Image

from experiments.reliability.fuzzing.handmade_tiff import write_by_hand
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.errors import InputError

# Codec and predictor; run lengths have none.
COMPRESSED = [
    ("tiff_lzw", 1),
    ("deflate", 1),
    ("packbits", 1),
    ("tiff_lzw", 2),
    ("deflate", 2),
]


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


@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_one_strip_need_not_say_how_many_rows_it_has(tmp_path, shape):
    values = np.arange(60, dtype=np.uint16).reshape(shape)
    path = write_tiff(tmp_path / "a.tif", values)
    content = bytearray(path.read_bytes())
    entry = content.index(struct.pack("<HH", 278, 4))
    content[entry : entry + 2] = struct.pack("<H", 277 + 10_000)  # no tag of anybody
    path.write_bytes(content)
    np.testing.assert_array_equal(read(path, (1.0, 0.0))[0], values)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("dtype", "kind"), [(np.uint16, 1), (np.int16, 2), (np.float32, 3)]
)
def test_both_byte_orders(tmp_path, order, dtype, kind):
    values = ramp((5, 4), dtype, start=-3 if kind > 1 else 300)
    path = write_by_hand(tmp_path / "a.tiff", values, order=order, kind=kind)
    [image] = read(path)
    np.testing.assert_array_equal(image, values)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("dtype", "kind", "codec", "predictor"),
    [
        *((np.uint8, 1, *c) for c in COMPRESSED),
        *((np.uint16, 1, *c) for c in COMPRESSED),
        *((np.int16, 2, *c) for c in COMPRESSED),
        *((np.float32, 3, *c) for c in [*COMPRESSED, ("tiff_lzw", 3), ("deflate", 3)]),
    ],
)
def test_compression_keeps_both_byte_orders(
    tmp_path, order, codec, dtype, kind, predictor
):
    values = np.array([[-1000, 40, 3], [1, -2, 32000]])
    values = values.astype(np.int16).astype(np.uint8 if kind == 1 else dtype)
    values = values.astype(dtype) * dtype(1 if kind < 3 else 1.25)
    path = write_by_hand(
        tmp_path / "a.tif",
        values,
        order=order,
        kind=kind,
        codec=codec,
        predictor=predictor,
    )
    [image] = read(path)
    np.testing.assert_array_equal(image, values.astype(np.float32))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("dtype", "kind"),
    [(np.float16, 3), (np.float64, 3), (np.int16, 2), (np.uint8, 1)],
)
def test_types_and_variants_that_pillow_does_not_read(
    tmp_path, order, big, dtype, kind
):
    values = np.array([[-1000.5, 40, 3], [1, -2, 3200]]).astype(np.int16).astype(dtype)
    path = write_by_hand(tmp_path / "a.tif", values, order=order, kind=kind, big=big)
    assert check_file(path).dtype == np.dtype(dtype).name
    np.testing.assert_array_equal(read(path)[0], values.astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "big", "message"),
    [
        (np.float64, False, "compressed TIFF of float64, expected uncompressed"),
        (np.float16, False, "compressed TIFF of float16"),
        (np.float32, True, "compressed TIFF of big-endian BigTIFF of float32"),
    ],
)
def test_compression_that_is_not_read(tmp_path, dtype, big, message):
    values = ramp(dtype=np.float32).astype(dtype)
    path = write_by_hand(
        tmp_path / "a.tif", values, order=">", kind=3, codec="deflate", big=big
    )
    with pytest.raises(InputError, match=rf"a\.tif: {message}"):
        check_file(path)


@pytest.mark.parametrize("options", [{}, {"rowsperstrip": 5}, {"tile": (16, 32)}])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("bigtiff", [False, True])
def test_files_of_tifffile(tmp_path, options, byteorder, bigtiff):
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).normal(size=(3, 37, 41))
    tifffile.imwrite(
        tmp_path / "a.tif",
        values,
        byteorder=byteorder,
        bigtiff=bigtiff,
        photometric="minisblack",
        **options,
    )
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), values.astype(np.float32))
    [last] = read_images(tmp_path / "a.tif", [2], (1.0, 0.0))
    np.testing.assert_array_equal(last, values[2].astype(np.float32))


@pytest.mark.parametrize("order", "<>")
def test_stack_of_imagej_with_one_page(tmp_path, order):
    stack = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6) - 50
    behind = stack[1:].astype(f"{order}i2").tobytes()
    text = "ImageJ=1.54f\nimages=4\nslices=4\nloop=false\n"
    path = write_by_hand(
        tmp_path / "a.tif", stack[0], order=order, kind=2, text=text, behind=behind
    )
    assert check_file(path).count == 4
    np.testing.assert_array_equal(read(path), stack)
    [third] = read_images(path, [2], (1.0, 0.0))
    np.testing.assert_array_equal(third, stack[2])
    with pytest.raises(InputError, match=r"a\.tif: no page 4"):
        list(read_images(path, [4], (1.0, 0.0)))


def test_stack_of_imagej_by_tifffile(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    stack = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    tifffile.imwrite(tmp_path / "a.tif", stack, imagej=True)
    np.testing.assert_array_equal(read(tmp_path / "a.tif"), stack)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": "ImageJ=1.54f\nimages=200\n"}, "stack of 200 images in 1 pages"),
        ({"behind": bytes(60), "codec": "deflate"}, "uncompressed behind the first"),
        ({"text": '{"shape": [2, 5, 6], "truncated": true}'}, "several planes"),
    ],
)
def test_stacks_that_are_not_read_whole(tmp_path, options, message):
    options = {"text": "ImageJ=1.54f\nimages=2\n"} | options
    values = np.arange(30, dtype=np.uint16).reshape(5, 6)
    path = write_by_hand(tmp_path / "a.tif", values, order=">", **options)
    with pytest.raises(InputError, match=rf"a\.tif: .*{message}"):
        check_file(path)


def test_pages_are_images(tmp_path):
    pages = [ramp(start=1000 * i) for i in range(3)]
    path = write_tiff(tmp_path / "a.tif", *pages)
    assert check_file(path).count == 3
    np.testing.assert_array_equal(read(path), pages)
    [last] = read_images(path, [2], (1.0, 0.0))
    np.testing.assert_array_equal(last, pages[2])
    with pytest.raises(ValueError, match=r"a\.tif: no page 3"):
        list(read_images(path, [3], (1.0, 0.0)))


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
