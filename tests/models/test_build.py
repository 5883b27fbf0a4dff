import types

import pytest

from sisr_jax import models
from sisr_jax.config import (
    Cascade,
    Dose,
    Exposure,
    Lateral,
    LateralDecimation,
    SparseViewCT,
    SparseViewFanCT,
    SRResNet,
    UNet,
    Unrolled,
)
from sisr_jax.config import (
    Discriminator as DiscriminatorConfig,
)
from sisr_jax.models import (
    Discriminator,
    SRResNetCT,
    SRResNetUltrasound,
    build_discriminator,
    build_generator,
)


def config(degradation):
    """The sections that the networks are built from."""
    return types.SimpleNamespace(
        compute_dtype="bfloat16",
        degradation=degradation,
        generator=SRResNet(
            kind="srresnet",
            width=24,
            num_blocks=3,
            num_shuffles=2,
            norm="group",
            global_skip=False,
        ),
        discriminator=DiscriminatorConfig(
            kind="srgan", width=16, norm="none", head="dense"
        ),
    )


@pytest.mark.parametrize(
    ("degradation", "expected"),
    [
        (
            SparseViewCT(
                kind="sparse_view_ct",
                num_angles=64,
                factor=8,
                views=(0, 0),
                dose=Dose(photons=(0.0, 0.0), electronic_noise=0.0, pixel_mm=0.7),
                filter_name="ramp",
                method="matmul",
                weights="gaps",
            ),
            SRResNetCT(24, 3, 2, "group", False, "bfloat16"),
        ),
        (
            SparseViewFanCT(
                kind="sparse_view_fan_ct",
                num_angles=64,
                factor=8,
                source_to_origin_mm=500.0,
                source_to_detector_mm=900.0,
                num_detectors=90,
                detector_pitch_mm=1.5,
                detector="flat",
                detector_offset_mm=0.0,
                pixel_mm=1.0,
                dose=Exposure(photons=(0.0, 0.0), electronic_noise=0.0),
                filter_name="ramp",
            ),
            SRResNetCT(24, 3, 2, "group", False, "bfloat16"),
        ),
        (
            LateralDecimation(kind="lateral_decimation", factor=8, offset=3),
            SRResNetUltrasound(8, 3, 24, 3, "group", False, "bfloat16"),
        ),
    ],
)
def test_networks_follow_from_the_config(degradation, expected):
    assert build_generator(config(degradation)) == expected
    assert build_discriminator(config(degradation)) == Discriminator(
        16, "none", "dense", "bfloat16"
    )


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            UNet(kind="unet", widths=(8, 16), num_blocks=2),
            models.UNet((8, 16), 2, "bfloat16"),
        ),
        (
            Cascade(
                kind="cascade",
                num_stages=4,
                shared=True,
                num_steps=3,
                num_last_steps=6,
                widths=(8, 16),
                num_blocks=2,
                start_weights=(1.0, 7.0),
            ),
            models.Cascade(4, True, 3, 6, (8, 16), 2, (1.0, 7.0), "bfloat16"),
        ),
        (
            Unrolled(kind="unrolled", num_iterations=7, width=9, memory=3, num_steps=2),
            models.LearnedPrimalDual(7, 9, 3, 2, "bfloat16"),
        ),
        (
            Lateral(kind="lateral", widths=(8, 16), num_blocks=2, slopes=(0.5,)),
            models.LateralUNet((8, 16), 2, (0.5,), "bfloat16"),
        ),
    ],
)
def test_other_kinds(section, expected):
    values = types.SimpleNamespace(compute_dtype="bfloat16", generator=section)
    assert build_generator(values) == expected
