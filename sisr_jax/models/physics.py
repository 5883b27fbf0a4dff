"""What networks that consult the measurement ask of it."""

import jax

from sisr_jax.operators import LinearOperator


def check_physics(
    measurement: jax.Array | None, operator: LinearOperator | None
) -> tuple[jax.Array, LinearOperator]:
    """The measurement and its operator, both there.

    Raises:
        ValueError: If one is missing.
    """
    if measurement is None or operator is None:
        missing = "measurement" if measurement is None else "operator"
        raise ValueError(
            f"no {missing}: expected both; a crop has no measurement of its own, so "
            "train on whole images (data.patch = data.shape)"
        )
    return measurement, operator
