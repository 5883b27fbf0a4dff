import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.io

from sisr_jax.data.scans import read_helsinki
from sisr_jax.errors import InputError
from sisr_jax.tomography.fan_fbp import fan_fbp

SCANS = pathlib.Path(__file__).parents[4] / "shared" / "data" / "fan_beam"
SMALL = {
    "distanceSourceOrigin": 100.0,
    "distanceSourceDetector": 150.0,
    "distanceUnit": "mm",
    "pixelSizePost": 0.3,
    "angles": np.arange(0, 360, 45.0),
}


def write(path, sinogram=None, parameters=None):
    sinogram = np.arange(8 * 5.0).reshape(8, 5) if sinogram is None else sinogram
    scan = {
        "type": "2d",
        "sinogram": sinogram,
        "parameters": SMALL | (parameters or {}),
    }
    scipy.io.savemat(path, {"CtDataFull": scan}, do_compression=True)
    return path


def test_geometry_and_order_of_detectors(tmp_path):
    scan = read_helsinki(write(tmp_path / "a.mat"), size=4)
    assert scan.sinogram.dtype == np.float32
    np.testing.assert_array_equal(scan.sinogram[1], [9, 8, 7, 6, 5])
    fan = scan.fan
    np.testing.assert_allclose(fan.angles, np.pi + np.arange(8) * np.pi / 4)
    assert (fan.size, fan.num_detectors, fan.detector) == (4, 5, "flat")
    assert (fan.source_to_origin_mm, fan.source_to_detector_mm) == (100, 150)
    assert fan.pixel_mm == pytest.approx(0.2)
    assert fan.detector_pitch_mm == 0.3


@pytest.mark.parametrize(
    ("sinogram", "parameters", "message"),
    [
        (np.zeros((7, 5)), {}, r"sinogram of shape \(7, 5\): expected as many views"),
        (np.full((8, 5), np.nan), {}, "sinogram of type float64: expected finite"),
        (np.full((8, 5), 2e3), {}, "sinogram up to 2000: expected at most 1000"),
        (np.ones((8, 5)) * 1j, {}, "sinogram of type complex128"),
        ("text", {}, "'CtDataFull.sinogram' is not a full numeric"),
        (None, {"angles": np.arange(8) * 200.0}, "angles up to 1400"),
        (None, {"distanceSourceOrigin": -1.0}, "distanceSourceOrigin = .*in mm"),
        (None, {"distanceSourceOrigin": [1.0, 2.0]}, "distanceSourceOrigin = .*one"),
        (None, {"distanceSourceOrigin": 200.0}, "source_to_detector_mm = 150"),
        (None, {"pixelSizePost": "0.2"}, "pixelSizePost' is not a full numeric"),
    ],
)
def test_unusable_values_are_one_line(tmp_path, sinogram, parameters, message):
    path = write(tmp_path / "a.mat", sinogram, parameters)
    with pytest.raises(InputError, match=message) as error:
        read_helsinki(path, size=4)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_other_kinds_of_files(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"CtDataLimited": 1.0})
    with pytest.raises(InputError, match=r"no variable 'CtDataFull\.sinogram'"):
        read_helsinki(path, size=4)
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(600))
    with pytest.raises(InputError, match=r"MATLAB 7\.3 \(HDF5\)"):
        read_helsinki(path, size=4)


def test_the_caller_is_told_of_its_size(tmp_path):
    with pytest.raises(ValueError, match="size = 0") as error:
        read_helsinki(write(tmp_path / "a.mat"), size=0)
    assert not isinstance(error.value, InputError)


@pytest.mark.shared_data
@pytest.mark.slow
@pytest.mark.skipif(not SCANS.is_dir(), reason="needs the shared folder of scans")
def test_reconstructions_are_those_of_the_organisers():
    scan = read_helsinki(SCANS / "htc2022_ta_full.mat", size=512)
    assert scan.sinogram.shape == (721, 560)
    theirs = scipy.io.loadmat(SCANS / "htc2022_ta_full_recon_fbp.mat")["reconFullFbp"]
    theirs = theirs / scan.fan.pixel_mm  # from attenuation per pixel
    fbp = fan_fbp(jnp.asarray(scan.sinogram), scan.fan)
    ours = np.asarray(fbp, np.float64)
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.9999
    assert np.vdot(ours, theirs) / np.vdot(theirs, theirs) == pytest.approx(1, abs=1e-3)
    # Where a moved image differs, along its gradient: least squares for both axes.
    gradient = np.stack([each.ravel() for each in np.gradient(theirs)], 1)
    moved, *_ = np.linalg.lstsq(gradient, (ours - theirs).ravel())
    assert np.abs(moved).max() < 0.01
