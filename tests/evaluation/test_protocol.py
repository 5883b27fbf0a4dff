import dataclasses
import re

import pytest

from sisr_jax.evaluation.protocol import config_of, protocol_of
from sisr_jax.metrics import structural


@pytest.fixture
def ct(load_config):
    return load_config("ct_srgan", "")


def test_the_name_is_stable(ct, load_config):
    # A changed name means that numbers measured before no longer compare.
    assert protocol_of(ct).id == "physical-ct-x16-c1b803"
    assert protocol_of(load_config("us_srgan", "")).id == "physical-us-x16-6d6587"
    assert re.fullmatch(r"original-ct-x16-[0-9a-f]{6}", protocol_of(ct, "original").id)


def test_a_fan_has_a_name_of_its_own(load_config, ct):
    """Every number of its geometry is part of it."""
    changes = (
        {},
        {"source_to_origin_mm": 600.0},
        {"source_to_detector_mm": 1100.0},
        {"num_detectors": 738},
        {"detector_pitch_mm": 1.3},
        {"detector": "flat"},
        {"detector_offset_mm": 0.3},
        {"pixel_mm": 0.6},
        {"num_angles": 1150},
        {"factor": 36},
        {"filter_name": "hann"},
        {"dose": {"photons": (1e5, 1e5)}},
        {"dose": {"photons": (1e5, 1e5), "electronic_noise": 2.0}},
    )
    protocols = [protocol_of(ct)]
    for change in changes:
        flat = {
            f"degradation__{key}": value
            for key, value in change.items()
            if key != "dose"
        }
        flat |= {
            f"degradation__dose__{key}": value
            for key, value in change.get("dose", {}).items()
        }
        protocols.append(protocol_of(load_config("ct_fan_cascade", "", **flat)))
    assert len({protocol.id for protocol in protocols}) == len(changes) + 1
    plain, noisy = protocols[1], protocols[-1]
    assert re.fullmatch(r"physical-fan-ct-x18-[0-9a-f]{6}", plain.id)
    assert (plain.windows, plain.mask_above) == (protocols[0].windows, -500.0)
    assert "64 of 1152 fan-beam views of a whole turn" in plain.describe()
    assert "595 mm from the centre and 1085.6 mm from the arc" in plain.describe()
    assert "100000 photons a ray, electronic noise 2, 0.7 mm" in noisy.describe()


def test_the_original_has_no_fans(load_config):
    config = load_config("ct_fan_cascade", "")
    for of in (config_of, protocol_of):
        with pytest.raises(ValueError, match=r"family = 'original': .* no fan-ct"):
            of(config, "original")


def _changed(value):
    if value is None:
        return (1, 2)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return (*value, 7) if isinstance(value, tuple) else value + "!"


def test_every_attribute_is_part_of_the_name(ct):
    protocol = protocol_of(ct)
    names = {protocol.id}
    fields = dataclasses.fields(protocol)
    for field in fields:
        value = _changed(getattr(protocol, field.name))
        names.add(dataclasses.replace(protocol, **{field.name: value}).id)
    assert len(names) == len(fields) + 1


def test_what_does_not_matter_is_not(ct, load_config):
    other = load_config("ct_srgan", "", seed=5, loss__pixel="mse", data__batch_size=4)
    assert protocol_of(other) == protocol_of(ct)


def test_families_differ_where_the_original_does(ct):
    physical, original = protocol_of(ct), protocol_of(ct, "original")
    assert (physical.scale, physical.target, physical.clip) == ("shared", "slice", True)
    assert (original.scale, original.target, original.clip) == (
        "own",
        "full-view fbp",
        False,
    )
    assert original.window == (-1024.0, 200.0)
    assert (physical.rmse_scale, physical.rmse_unit) == (2000.0, "HU")
    assert (original.rmse_scale, original.windows) == (1.0, ())
    for protocol in (physical, original):
        assert protocol.describe().startswith(protocol.id)
        assert "63 of 1000 views" in protocol.describe()
    assert "(matmul, gaps weights)" in physical.describe()
    assert physical.describe().endswith("RMSE in HU")
    assert "(reference, uniform weights)" in original.describe()


@pytest.mark.parametrize(
    ("method", "weights"), [("reference", "gaps"), ("matmul", "gaps")]
)
def test_the_network_and_the_name_share_an_acquisition(load_config, method, weights):
    config = load_config(
        "ct_srgan", "", degradation__method=method, degradation__weights=weights
    )
    physical, original = protocol_of(config), protocol_of(config, "original")
    assert (physical.projector, physical.weights) == (method, weights)
    assert (original.projector, original.weights) == ("reference", "uniform")


def test_the_originals_frames_are_mirrored_to_512(load_config):
    config = load_config("us_srgan", "", degradation__offset=2)
    physical, original = protocol_of(config), protocol_of(config, "original")
    assert (physical.shape, physical.crop, physical.offset) == (
        (256, 256),
        "central",
        2,
    )
    assert (original.shape, original.offset) == ((512, 512), 0)
    assert "smaller frames mirrored" in original.describe()
    assert "mirrored" not in physical.describe()


def test_decibels_are_known_by_their_window(load_config):
    config = load_config("us_srgan", "", data__window=(-60.0, 0.0))
    assert protocol_of(config).in_decibels
    assert protocol_of(config).rmse_unit == "dB"
    assert not protocol_of(load_config("us_srgan", "")).in_decibels
    assert not protocol_of(config, "original").in_decibels


def test_the_name_says_which_image_of_a_record(load_config):
    options = {"data__source": "tfds", "data__path": "x", "data__window": (-60.0, 0.0)}
    protocols = [
        protocol_of(load_config("us_srgan", data__target=target, **options), family)
        for target in ("image", "dtce", "bmode")
        for family in ("physical", "original")
    ]
    assert len({protocol.id for protocol in protocols}) == 6
    assert "target bmode" in protocols[-1].describe()


def test_dose_and_drawn_views_are_part_of_the_name(load_config):
    noisy = {"degradation__dose__photons": (1e4, 1e5)}
    drawn = {"degradation__views": (32, 60)}
    protocols = [
        protocol_of(load_config("ct_srgan", "", **changes))
        for changes in ({}, noisy, drawn, noisy | drawn)
    ]
    assert len({protocol.id for protocol in protocols}) == 4
    assert "10000 to 100000 photons a ray" in protocols[1].describe()
    assert "32 to 60 of 63 of 1000 views" in protocols[2].describe()
    # The original's protocol knows neither.
    original = protocol_of(load_config("ct_srgan", "", **noisy, **drawn), "original")
    assert original == protocol_of(load_config("ct_srgan", ""), "original")


def test_windows_are_cut_to_what_the_images_show(load_config):
    config = load_config("ct_srgan", "", data__window=(-1000.0, -200.0))
    assert protocol_of(config).windows == (
        ("lung", -1000.0, -200.0),
        ("bone", -450.0, -200.0),
    )


def test_stated_constants_are_those_of_the_metric(ct):
    assert protocol_of(ct).ssim == (
        structural.SSIM_WINDOW,
        structural._SIGMA,
        structural._K1,
        structural._K2,
    )


def test_unknown_family(ct):
    with pytest.raises(ValueError, match="'fixed': expected 'physical' or 'original'"):
        protocol_of(ct, "fixed")


def test_slices_of_training_patients_are_another_protocol(load_config):
    config = load_config("ct_srgan", data__source="folder", data__path="data")
    apart = dataclasses.replace(config.data, split_by="position")
    protocol = protocol_of(dataclasses.replace(config, data=apart))
    usual = protocol_of(config)
    assert usual.split is None
    assert protocol.split == "position"
    assert "-by-position-" in protocol.id
    assert protocol.id.rsplit("-", 1)[1] != usual.id.rsplit("-", 1)[1]
    assert "training saw slices of the same patients" in protocol.describe()
    assert "same patients" not in usual.describe()
