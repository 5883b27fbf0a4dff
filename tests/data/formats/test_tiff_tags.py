import pytest
from image_files import ramp
from PIL import Image

from experiments.reliability.fuzzing.handmade_tiff import write_by_hand
from sisr_jax.data.formats.headers import MAX_PIXELS
from sisr_jax.data.formats.readers import check_file, read_images
from sisr_jax.errors import InputError


def read(path):
    return list(read_images(path, range(check_file(path).count), (1.0, 0.0)))


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({262: 0}, "inverted"),
        ({262: 2}, "RGB TIFF, expected grey"),
        ({277: 3}, "3-channel grey TIFF"),
        ({258: 8, 339: 2}, "8-bit values in sample format 2"),
        ({258: 12}, "12-bit values"),
        ({274: 6}, "orientation 6"),
        ({256: 2**13, 257: 2**13}, f"8192x8192 pixels, .* {MAX_PIXELS}"),
        ({256: 2**20, 257: 2**20}, "1048576x1048576 pixels"),
        ({257: 0}, "0x16 pixels"),
        ({273: 10**6}, "truncated TIFF"),
        ({279: 10**6}, "truncated TIFF"),
        ({278: 2**31, 257: 4000, 256: 4000}, "a strip is too short"),
        ({278: 8}, "1 strips or tiles, expected 2"),
        ({266: 2}, "fill_order 2"),
        ({32997: 3}, "several planes in a page"),
        ({322: 2**31, 323: 2**31, 324: 8, 325: 9}, "2147483648x2147483648 pixels"),
    ],
)
def test_tags_that_ask_too_much(tmp_path, tags, message):
    path = write_by_hand(tmp_path / "a.tif", ramp(), order="<", tags=tags)
    with pytest.raises(ValueError, match=rf"a\.tif: .*{message}") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_long_tag_is_refused_before_it_is_read(tmp_path):
    path = write_by_hand(tmp_path / "a.tif", ramp(), order="<", text="x" * 2**22)
    with pytest.raises(InputError, match=r"tag 270 of 4194312 bytes, expected at most"):
        check_file(path)


def test_tags_that_are_long_in_all(tmp_path, monkeypatch):
    tags = "sisr_jax.data.formats.tiff_tags"
    monkeypatch.setattr(f"{tags}._MAX_TAG_BYTES_IN_ALL", 50)
    path = write_by_hand(tmp_path / "a.tif", ramp(), order="<")
    assert check_file(path).count == 1
    path = tmp_path / "b.tif"
    pages = [Image.fromarray(ramp()) for _ in range(2)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match=r"TIFF tags of \d+ bytes, expected at most"):
        check_file(path)


def test_pages_in_a_circle(tmp_path):
    path = write_by_hand(tmp_path / "a.tif", ramp(), order="<")
    data = path.read_bytes()
    path.write_bytes(data[:-4] + data[4:8])  # the next page is this one
    with pytest.raises(InputError, match=r"a\.tif: (4097 images|more than 4096 pages)"):
        check_file(path)
