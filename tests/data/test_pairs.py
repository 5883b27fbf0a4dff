"""Files and their references, matched by path."""

import numpy as np
import pytest
from image_files import write_dicom
from PIL import Image

from sisr_jax.data.pairs import list_pairs
from sisr_jax.errors import InputError

STORED = (1.0, 0.0)


def pages(path, count, *shape):
    """A TIFF of several images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = (
        Image.fromarray(np.full(shape, i, np.float32)) for i in range(count)
    )
    first.save(path, save_all=True, append_images=others)
    return path


def write(path, *shape, value=0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full(shape, value, np.float32))
    return path


def test_folders_are_paired_by_path_whatever_the_format(tmp_path):
    images, references = tmp_path / "a", tmp_path / "b"
    write(images / "x" / "1.npy", 8, 9, value=1)
    write(images / "2.5.npy", 8, 9, value=2)
    (references / "x").mkdir(parents=True)
    np.savez(references / "x" / "1.npz", image=np.full((8, 9), 10, np.float32))
    write(references / "2.5.npy", 8, 9, value=20)
    write(references / "further.npy", 4, 4)
    (images / "numbers.csv").write_text("none")
    pairs = list_pairs(images, references)
    found = [[(a[0, 0], b[0, 0]) for a, b in pair.read(STORED)] for pair in pairs]
    assert found == [[(2, 20)], [(1, 10)]]


def test_two_files_may_have_any_names(tmp_path):
    a, b = pages(tmp_path / "a.tif", 3, 8, 8), pages(tmp_path / "b.tif", 3, 8, 8)
    [pair] = list_pairs(a, b)
    assert pair == (a, b, 3, None)
    assert [(a[0, 0], b[0, 0]) for a, b in pair.read(STORED)] == [
        (0, 0),
        (1, 1),
        (2, 2),
    ]


@pytest.mark.parametrize(
    ("images", "references", "message"),
    [
        ({"1.npy": (8, 8)}, {"2.npy": (8, 8)}, "1.npy: no file 1 in "),
        ({"1.npy": (8, 8)}, {"1.npy": (8, 9)}, "1 of 8x8 and 1 of 8x9 pixels"),
        ({"1.npy": (6, 8)}, {"1.npy": (6, 8)}, "6x8 pixels, expected at least 7x7"),
        ({}, {"1.npy": (8, 8)}, "a: no image"),
        ({"1.npy": (8, 8), "1.NPY": (8, 8)}, {"1.npy": (8, 8)}, "expected one file 1"),
    ],
)
def test_what_cannot_be_paired_is_named(tmp_path, images, references, message):
    for name, files in (("a", images), ("b", references)):
        (tmp_path / name).mkdir()
        for file, shape in files.items():
            with (tmp_path / name / file).open("wb") as stream:
                np.save(stream, np.zeros(shape, np.float32))
    with pytest.raises(InputError, match=message):
        list_pairs(tmp_path / "a", tmp_path / "b", smallest=7)


def test_numbers_of_images_that_differ(tmp_path):
    a, b = pages(tmp_path / "a.tif", 2, 8, 8), pages(tmp_path / "b.tif", 3, 8, 8)
    with pytest.raises(InputError, match="2 of 8x8 and 3 of 8x8 pixels"):
        list_pairs(a, b)


def test_places_that_are_no_pair(tmp_path):
    file = write(tmp_path / "a" / "1.npy", 8, 8)
    with pytest.raises(InputError, match=r"none: no such file or folder"):
        list_pairs(file, tmp_path / "none")
    with pytest.raises(InputError, match="expected two files or two folders"):
        list_pairs(file, file.parent)
    (file.parent / "2.npy").write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"2\.npy: array of 8x8 float32"):
        list_pairs(file.parent, file.parent)


def test_pixels_are_as_large_as_one_of_the_files_says(tmp_path):
    image = write(tmp_path / "a.npy", 8, 8)
    slices = {
        name: write_dicom(
            tmp_path / f"{name}.dcm", np.zeros((8, 8), np.int16), PixelSpacing=spacing
        )
        for name, spacing in (("one", [0.7, 0.8]), ("other", [0.7, 0.9]))
    }
    [pair] = list_pairs(image, slices["one"])
    assert pair.spacing == (0.7, 0.8)
    [pair] = list_pairs(slices["one"], image)
    assert pair.spacing == (0.7, 0.8)
    with pytest.raises(InputError, match=r"0\.8 and 0\.7 x 0\.9 mm, expected"):
        list_pairs(slices["one"], slices["other"])
