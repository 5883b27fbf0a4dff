"""The weights in the box: present, intact, described, and better than their rival."""

import csv
import json
import pathlib
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from etils import epath

from sisr_jax.config.kept import read_config
from sisr_jax.errors import InputError
from sisr_jax.evaluation.protocol import protocol_of
from sisr_jax.image.resize import aligned_columns
from sisr_jax.inference import available, load, loading
from sisr_jax.inference.trained_for import check_simulation
from sisr_jax.metrics import psnr
from sisr_jax.reconstruction.total_variation import total_variation
from sisr_jax.tomography import ParallelBeam, ParallelBeamCT
from sisr_jax.ultrasound import LateralDecimation

NAME, COLUMNS = "sparse-view-ct", "scan-line-ultrasound"
SHARED = pathlib.Path(__file__).parents[2].parent / "shared" / "data"


@pytest.fixture(scope="module", params=[NAME, f"{NAME}-any-dose"])
def restorer(request):
    return load(request.param)


def test_are_small_and_their_card_says_what_they_are():
    assert NAME in available()
    folder = epath.resource_path("sisr_jax") / "weights"
    for name in available():
        assert (folder / name / "weights.safetensors").stat().length < 4e6
        card = json.loads((folder / name / "card.json").read_text())
        assert card["protocol"] == protocol_of(read_config(folder / name)).id
        for key in ("trained_on", "licence_of_the_images", "intended_use", "failures"):
            assert card[key], key
        for scores in card["scores"]:
            assert scores["psnr_95"][0] < scores["psnr"] < scores["psnr_95"][1]
            assert "gain_db" in scores


def test_their_spacings_are_those_of_the_training():
    manifest = SHARED / "manifest.csv"
    if not manifest.is_file():
        pytest.skip(f"needs the table of real slices in {SHARED}")
    with manifest.open(newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["file"].startswith("ct/") and row["split"] == "train"
        ]
    assert len(rows) == 142
    assert all(row["spacing_x_mm"] == row["spacing_y_mm"] for row in rows)
    spacings = [float(row["spacing_x_mm"]) for row in rows]
    for name in available("views"):
        assert load(name).card["spacing_mm"] == [min(spacings), max(spacings)]


@pytest.mark.parametrize("views", [32, 90])
def test_restore_any_number_of_views(restorer, views):
    rows, columns = np.mgrid[:64, :64] - 32
    disc = jnp.asarray((rows**2 + columns**2 < 20**2) * 0.5, jnp.float32)
    operator = ParallelBeamCT(ParallelBeam(64, views))
    found = restorer(measurement=operator(disc), operator=operator)
    assert found.image.shape == (64, 64)
    assert 0 <= found.image.min() <= found.image.max() <= 1
    noise_free = "photons" not in restorer.card
    assert found.residual < (0.01 if noise_free else 0.05)
    fbp = jnp.clip(operator.fbp(operator(disc)), 0, 1)
    assert jnp.std(found.image - disc) < 0.5 * jnp.std(fbp - disc)


@pytest.fixture(scope="module")
def of_columns():
    return load(COLUMNS)


@pytest.mark.parametrize(("factor", "offset"), [(2, 1), (7, 0), (16, 5)])
def test_any_columns_are_filled_in(of_columns, factor, offset):
    """Of tilted fibres in front of speckle; kept columns to the bit."""
    rows, columns = np.mgrid[:96, : 12 * factor]
    fibres = 0.5 + 0.3 * np.sin((rows - 0.5 * columns) / 4)
    speckle = np.random.default_rng(0).normal(0, 0.02, (2, *rows.shape))
    images = jnp.float32((fibres + speckle).clip(0, 1))
    operator = LateralDecimation(factor, offset)
    lines = operator(images)
    found = of_columns(measurement=lines, operator=operator)
    assert found.image.shape == images.shape
    np.testing.assert_array_equal(operator(found.image), lines)
    assert np.all(found.residual == 0)
    cubic = aligned_columns(
        lines[..., None], factor=factor, offset=offset, interpolation="cubic"
    )
    # Between the outermost kept columns.
    inside = np.s_[..., factor:-factor]
    error, other = (
        jnp.abs(image - images)[inside].mean() for image in (found.image, cubic[..., 0])
    )
    assert error < (0.85 if factor == 16 else 1) * other


def test_columns_that_their_card_is_not_for(of_columns):
    check_simulation(of_columns, 16)
    for factor in (1, 17):
        with pytest.raises(InputError, match="weights are for one of 2 to 16"):
            check_simulation(of_columns, factor)


@pytest.mark.slow
def test_beat_total_variation_on_a_slice_of_an_unseen_patient(restorer, real_slice):
    operator = ParallelBeamCT(ParallelBeam(512, 1000).every(16))
    measured = operator(real_slice)
    found = restorer(measurement=measured, operator=operator).image
    rival = total_variation(measured, operator, weight=1e-4)
    target = real_slice[..., None]
    gain = psnr(found[..., None], target) - psnr(rival[..., None], target)
    assert gain > 1.0


def test_a_name_that_is_not_there():
    with pytest.raises(InputError, match=r"weights 'ct': expected one of '.*sparse-"):
        load("ct")


def test_a_damaged_file_is_refused(monkeypatch, tmp_path):
    folder = epath.resource_path("sisr_jax") / "weights"
    shutil.copytree(folder / NAME, tmp_path / NAME)
    path = tmp_path / NAME / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(bytes(data))
    monkeypatch.setattr(loading, "_FOLDER", epath.Path(tmp_path))
    with pytest.raises(InputError, match="not the file that its card is of"):
        load(NAME)
