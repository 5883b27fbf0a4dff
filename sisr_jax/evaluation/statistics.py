"""How sure a mean is and whether two methods differ, counting patients.

Slices of a patient are alike, so the patient is the unit that is drawn again and
the unit that is compared; counting slices would make every interval too narrow.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

_LEVEL = 0.95
_NUM_RESAMPLES = 2000


class Interval(NamedTuple):
    """Lower and upper end; both NaN where there are too few patients."""

    low: float
    high: float


def bootstrap_interval(
    values: Sequence[float],
    patients: Sequence[str],
    *,
    seed: int = 0,
    num_resamples: int = _NUM_RESAMPLES,
) -> Interval:
    """Percentile bootstrap interval (95 %) of the mean over images.

    Patients are drawn with replacement, each with all its images (cluster
    bootstrap; Efron & Tibshirani 1993, "An Introduction to the Bootstrap",
    chapters 8 and 13). The statistic is the mean over the drawn images.

    Args:
        values: One number for each image; infinities are kept.
        patients: Whose image it is, in the same order.
        seed: Of the resampling; equal seeds give equal intervals.
        num_resamples: How often the patients are drawn.

    Returns:
        The interval; NaN with fewer than two patients or if a value is NaN.

    Raises:
        ValueError: If the lengths differ.
    """
    sums, counts = _by_patient(values, patients)
    if len(sums) < 2 or np.isnan(sums).any():
        return Interval(np.nan, np.nan)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(sums), (num_resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    # Order statistics: interpolating between infinities would give NaN.
    tail = 100 * (1 - _LEVEL) / 2
    low = np.percentile(means, tail, method="lower")
    high = np.percentile(means, 100 - tail, method="higher")
    return Interval(float(low), float(high))


def paired_wilcoxon(
    values: Sequence[float], reference: Sequence[float], patients: Sequence[str]
) -> float:
    """P value of the signed-rank test between two methods on the same images.

    Two-sided (Wilcoxon 1945), on the differences of the patients' means. With n
    patients it cannot be smaller than `2 ** (1 - n)`.

    Args:
        values: One number for each image.
        reference: The other method's, in the same order.
        patients: Whose image it is, in the same order.

    Returns:
        The p value; 1 if no patient differs, NaN with fewer than two patients
        or if a value is NaN.

    Raises:
        ValueError: If the lengths differ.
    """
    sums, counts = _by_patient(values, patients)
    others, _ = _by_patient(reference, patients)
    if len(sums) < 2 or np.isnan(sums).any() or np.isnan(others).any():
        return float("nan")
    # Equal infinities do not differ, though their difference is undefined.
    different = sums != others
    if not different.any():
        return 1.0
    difference = (sums[different] - others[different]) / counts[different]
    result: Any = stats.wilcoxon(difference)  # SciPy's stubs know no fields
    return float(result.pvalue)


def _by_patient(
    values: Sequence[float], patients: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the values of each patient, in sorted order of names."""
    if len(values) != len(patients):
        raise ValueError(
            f"{len(values)} values of {len(patients)} images: expected one each"
        )
    names, group = np.unique(np.asarray(patients, str), return_inverse=True)
    sums = np.zeros(len(names))
    np.add.at(sums, group, np.asarray(values, np.float64))
    return sums, np.bincount(group, minlength=len(names))
