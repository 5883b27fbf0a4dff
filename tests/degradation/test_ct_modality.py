"""How total variation is set up for a configuration."""

import pytest

from sisr_jax.degradation import modality_of


@pytest.mark.parametrize(
    ("method", "weights"),
    [("matmul", (1e-4, 5e-5, 2e-5)), ("reference", (1e-3, 5e-4, 1e-3))],
)
@pytest.mark.parametrize("size", [64, 512])
def test_weights_of_total_variation_are_the_chosen_ones(
    load_config, method, weights, size
):
    """Of 63, 125 and 250 views of 512 pixels, and of as many for each pixel."""
    found = []
    for factor in (16, 8, 4):
        config = load_config(
            "ct_srgan",
            data__shape=(size, size),
            data__patch=(16, 16),
            degradation__num_angles=1000 * size // 512,
            degradation__factor=factor,
            degradation__method=method,
        )
        baselines = modality_of(config).baselines(config)
        assert baselines.settings.num_iterations == 100
        found.append(baselines.settings.weight)
    assert found == pytest.approx(weights, rel=0.05)
