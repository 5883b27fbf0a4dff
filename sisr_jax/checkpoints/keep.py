"""Which checkpoints of a run stay."""

from typing import Any

from orbax.checkpoint import checkpoint_managers

METRIC = "psnr"


def preservation(keep_last: int, keep_steps: tuple[int, ...]) -> Any:
    """The newest checkpoints, those of some steps, and the best one.

    Args:
        keep_last: How many of the newest stay.
        keep_steps: Steps whose checkpoints always stay.

    Returns:
        Orbax's policy. The best is the one with the highest validation PSNR.
    """
    best = checkpoint_managers.BestN(
        get_metric_fn=lambda metrics: metrics[METRIC],
        n=1,
        keep_checkpoints_without_metrics=False,
    )
    return checkpoint_managers.AnyPreservationPolicy(
        [
            checkpoint_managers.LatestN(keep_last),
            best,
            checkpoint_managers.CustomSteps(list(keep_steps)),
        ]
    )
