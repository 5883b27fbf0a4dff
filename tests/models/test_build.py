import types

import pytest

from sisr_jax.config import (
    Discriminator as DiscriminatorConfig,
)
from sisr_jax.config import (
    Dose,
    LateralDecimation,
    SparseViewCT,
    SRResNet,
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
        discriminator=DiscriminatorConfig(width=16, norm="none", head="dense"),
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
