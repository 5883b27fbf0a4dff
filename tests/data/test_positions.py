import numpy as np
import pytest
from image_files import make_config, ramp, write_dicom, write_png

from sisr_jax.config import ConfigError
from sisr_jax.data.folder import open_folder
from sisr_jax.data.positions import cut_by_position

SPLITS = ("train", "validation", "test")


def cut(images, split):
    return cut_by_position(images, split, series_of=lambda image: image[0])


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(9, (9, 0, 0)), (10, (8, 1, 1)), (100, (78, 8, 10)), (40, (31, 3, 4))],
)
def test_series_is_cut_into_blocks_with_gaps(count, sizes):
    images = [("a", i) for i in range(count)]
    parts = [cut(images, split) for split in SPLITS]
    assert tuple(map(len, parts)) == sizes
    assert parts[0] == images[: sizes[0]]
    if count >= 10:
        assert parts[2] == images[-sizes[2] :]
        assert parts[1] == images[int(0.8 * count) :][: sizes[1]]


def test_every_series_is_cut_by_itself():
    images = [(name, i) for i in range(20) for name in "ab"]
    tested = cut(images, "test")
    assert tested == [("a", 18), ("a", 19), ("b", 18), ("b", 19)]


def folder_config(path, /, **changes):
    changes = {"source": "folder", "split_by": "position"} | changes
    return make_config(**({"path": str(path)} | changes))


def names(path, split):
    source = open_folder(folder_config(path), split)
    return [source.name(i) for i in range(len(source))]


def test_slices_of_a_patient_by_their_position(tmp_path):
    for i in range(20):  # written upside down
        write_dicom(
            tmp_path / f"{i:02d}.dcm",
            ramp(),
            SeriesInstanceUID="1.2",
            ImagePositionPatient=[0, 0, -i],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
    assert names(tmp_path, "train") == [f"{i:02d}.dcm" for i in range(19, 3, -1)]
    assert names(tmp_path, "validation") == ["03.dcm", "02.dcm"]
    assert names(tmp_path, "test") == ["01.dcm", "00.dcm"]


def test_volume_and_plain_files(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    volume = np.arange(16 * 16 * 10, dtype=np.int16).reshape(16, 16, 10)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "v.nii")
    for i in range(10):
        write_png(tmp_path / f"sub/{i}.png", ramp(start=i))
    assert names(tmp_path, "test") == ["sub/9.png", "v.nii#0009"]
    assert len(names(tmp_path, "train")) == 16


def test_numbers_of_names_count_as_numbers(tmp_path):
    for i in range(1, 101):
        write_png(tmp_path / f"s/slice_{i}.png", ramp(start=i))
    assert names(tmp_path, "train") == [f"s/slice_{i}.png" for i in range(1, 79)]
    assert names(tmp_path, "test") == [f"s/slice_{i}.png" for i in range(91, 101)]


def test_too_few_images(tmp_path):
    write_png(tmp_path / "0.png", ramp())
    assert names(tmp_path, "train") == ["0.png"]
    with pytest.raises(ValueError, match=r"no image in split 'test', too few in each"):
        names(tmp_path, "test")


@pytest.mark.parametrize(
    "changes", [{"source": "ct_phantoms", "path": ""}, {"splits_csv": "a.csv"}]
)
def test_positions_are_of_folders_alone(tmp_path, changes):
    with pytest.raises(ConfigError, match=r"data\.split_by = 'position': expected"):
        folder_config(tmp_path, **changes).check()
    folder_config(tmp_path).check()


def test_patients_that_are_too_few_are_told_of_it(tmp_path):
    write_png(tmp_path / "P1__0.png", ramp())
    with pytest.raises(ValueError, match=r"config\.data\.split_by = 'position'"):
        open_folder(folder_config(tmp_path, split_by="patient"), "test")
