import pathlib
import sys

import numpy as np
import pytest

from sisr_jax.data.scans import exchange, read_exchange
from sisr_jax.errors import InputError
from sisr_jax.tomography import (
    ParallelBeam,
    axis_from_moments,
    axis_from_pair,
    fbp,
    line_integrals,
    onto_axis,
    remove_outliers,
    remove_rings,
)

TOOTH = pathlib.Path(__file__).parents[4] / "shared" / "data" / "parallel_beam"
DATA = np.arange(3 * 2 * 4, dtype=np.uint16).reshape(3, 2, 4)


def write(path, **changes):
    h5py = pytest.importorskip("h5py")
    arrays = {
        "data": DATA,
        "data_white": np.full((2, 2, 4), 100.0),
        "data_dark": np.full((1, 2, 4), 1, np.int16),
        "theta": np.array([0.0, 60.0, 120.0]),
    }
    with h5py.File(path, "w") as file:
        for name, value in (arrays | changes).items():
            if value is not None:
                file[f"exchange/{name}"] = value
    return path


def test_reads_rows_and_angles(tmp_path):
    path = write(tmp_path / "a.h5")
    scan = read_exchange(path)
    np.testing.assert_array_equal(scan.counts, DATA)
    assert (scan.flat.shape, scan.dark.shape) == ((2, 2, 4), (1, 2, 4))
    assert {each.dtype for each in scan[:3]} == {np.dtype(np.float32)}
    np.testing.assert_allclose(scan.angles, [0, np.pi / 3, 2 * np.pi / 3])
    one = read_exchange(path, rows=slice(1, 2))
    np.testing.assert_array_equal(one.counts, DATA[:, 1:])
    assert (one.flat.shape, one.dark.shape) == ((2, 1, 4), (1, 1, 4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data_dark": None}, "no array 'exchange/data_dark'"),
        ({"data": b"text"}, "exchange/data is no array of real numbers"),
        ({"data": DATA[0]}, r"exchange/data of shape \(2, 4\)"),
        ({"theta": np.zeros(2)}, r"angles of shape \(2,\)"),
        ({"data_white": np.ones((2, 2, 3))}, r"data_white of shape \(2, 2, 3\)"),
        ({"theta": np.array([0, 90, 1e3])}, "up to 1000: expected degrees"),
        ({"data": DATA * np.nan}, "exchange/data holds values that are not finite"),
    ],
)
def test_unusable_arrays_are_one_line(tmp_path, changes, message):
    path = write(tmp_path / "a.h5", **changes)
    with pytest.raises(InputError, match=message) as error:
        read_exchange(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_other_units_and_other_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write(tmp_path / "a.h5")
    for unit, told in (("rad", "rad"), (np.array(["degrees", "rad"], "S"), r"\[b'deg")):
        with h5py.File(path, "r+") as file:
            file["exchange/theta"].attrs["units"] = unit
        with pytest.raises(InputError, match=f"theta in {told}.* up to 120: expected"):
            read_exchange(path)
    write(tmp_path / "b.h5", data=None)
    with h5py.File(tmp_path / "b.h5", "r+") as file:
        file["exchange/data"] = h5py.ExternalLink("a.h5", "exchange/data")
    with pytest.raises(InputError, match="exchange/data lies in another file"):
        read_exchange(tmp_path / "b.h5")


def test_angles_that_may_be_radians_need_a_unit(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write(tmp_path / "a.h5", theta=np.array([0.0, 1.0, 2.0]))
    with pytest.raises(InputError, match="without units up to 2, which may be radians"):
        read_exchange(path)
    for unit in ("degrees", b"deg", np.array(["degrees"], "S")):
        with h5py.File(path, "r+") as file:
            file["exchange/theta"].attrs["units"] = unit
        np.testing.assert_allclose(read_exchange(path).angles, np.deg2rad([0, 1, 2]))


@pytest.mark.parametrize("name", ["exchange", "exchange/data"])
def test_links_are_not_followed(tmp_path, name):
    """Not even to find out that there is nothing."""
    h5py = pytest.importorskip("h5py")
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = h5py.ExternalLink("missing.h5", "exchange/data")
    with pytest.raises(InputError, match="exchange/data lies in another file"):
        read_exchange(path)


def test_sizes_are_checked_before_values_are_read(tmp_path, monkeypatch):
    path = write(tmp_path / "a.h5")
    monkeypatch.setattr(exchange, "MAX_BYTES", 64)
    read_exchange(path, rows=slice(1))
    with pytest.raises(InputError, match="has 128 bytes in the rows asked for"):
        read_exchange(path)
    with pytest.raises(InputError, match="has 0 bytes in the rows asked for"):
        read_exchange(path, rows=slice(5, 6))


def test_damaged_files_are_read_or_refused(tmp_path):
    good = write(tmp_path / "a.h5").read_bytes()
    path = tmp_path / "b.h5"
    for content in (b"", b"text" * 100, good[:-200], good[:100]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="no HDF5 file, or a damaged one"):
            read_exchange(path)


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="pip install h5py"):
        read_exchange(tmp_path / "a.h5")


@pytest.fixture(scope="module")
def tooth():
    if not TOOTH.is_dir():
        pytest.skip("needs the shared folder of scans")
    pytest.importorskip("h5py")
    return read_exchange(TOOTH / "tooth.h5")


@pytest.mark.shared_data
def test_a_scan_of_a_synchrotron(tooth):
    assert tooth.counts.shape == (181, 2, 640)
    assert tooth.flat.shape == tooth.dark.shape == (10, 2, 640)
    assert tooth.dark.mean() < tooth.counts.mean() < tooth.flat.mean()
    assert np.rad2deg(tooth.angles[-1]) == pytest.approx(180 - 180 / 181)


@pytest.mark.shared_data
@pytest.mark.slow
def test_its_slice_is_sharpest_about_the_axis_that_is_found(tooth):
    integrals = line_integrals(
        tooth.counts, flat=tooth.flat, dark=tooth.dark, least=1e-3
    )[:, 0]
    assert np.abs(np.asarray(integrals[:, :20])).mean() < 0.02  # air
    sinogram = remove_rings(remove_outliers(integrals, threshold=0.3), width=9)
    found = axis_from_moments(sinogram, angles=tooth.angles)
    pair = axis_from_pair(sinogram[0], sinogram[-1])  # a degree short of half a turn
    assert found == pytest.approx(pair, abs=1)
    beam = ParallelBeam(512, angles=tooth.angles)

    def below_air(axis):
        """What a wrong axis leaves: streaks below 0 (same blur: whole detectors)."""
        moved = onto_axis(sinogram, axis=axis, num_detectors=beam.num_detectors)
        return -np.minimum(np.asarray(fbp(moved, beam)), 0).sum()

    least = below_air(found)
    assert least < below_air(found - 2)
    assert least < below_air(found + 2)
