import math

import numpy as np
import pytest
from scipy import stats

from sisr_jax.evaluation.statistics import bootstrap_interval, paired_wilcoxon


def one_each(values):
    return [f"p{i}" for i in range(len(values))]


def test_interval_agrees_with_scipy_when_every_image_is_a_patient():
    values = np.random.default_rng(0).normal(30, 3, 40)
    low, high = bootstrap_interval(values, one_each(values), num_resamples=20_000)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=1
    ).confidence_interval
    assert (low, high) == pytest.approx(tuple(expected), abs=0.06)


def test_interval_agrees_with_a_loop_over_patients():
    values, patients = [1.0, 2.0, 6.0, 9.0, 9.5, 4.0], list("aabccc")
    blocks = [np.array([1.0, 2.0]), np.array([6.0]), np.array([9.0, 9.5, 4.0])]
    rng = np.random.default_rng(3)
    means = [
        np.concatenate([blocks[i] for i in rng.integers(0, 3, 3)]).mean()
        for _ in range(4000)
    ]
    interval = bootstrap_interval(values, patients, num_resamples=4000)
    assert interval == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.15)


def test_repeating_slices_does_not_narrow_the_interval():
    values = np.random.default_rng(1).normal(size=8)
    few = bootstrap_interval(values, one_each(values))
    many = bootstrap_interval(np.repeat(values, 50), np.repeat(one_each(values), 50))
    assert many == pytest.approx(few)


def test_interval_is_of_the_mean_over_images():
    # Twenty patients with one image each, twenty with nine: the mean is 0.9.
    values = [0.0] * 20 + [1.0] * 180
    patients = [str(i) for i in [*range(20), *np.repeat(np.arange(20, 40), 9)]]
    low, high = bootstrap_interval(values, patients)
    assert 0.75 < low < 0.9 < high < 0.97


def test_interval_is_reproducible_and_seeded():
    values = np.random.default_rng(2).normal(size=30)
    first = bootstrap_interval(values, one_each(values), seed=1)
    assert first == bootstrap_interval(values, one_each(values), seed=1)
    assert first != bootstrap_interval(values, one_each(values), seed=2)


def test_interval_of_hard_cases():
    assert bootstrap_interval([2.0] * 5, list("abcde")) == (2.0, 2.0)
    assert bootstrap_interval([1.0, math.inf, 1.0], list("abc"))[1] == math.inf
    for values, patients in [([1.0, 2.0], "aa"), ([1.0, math.nan], "ab"), ([], "")]:
        assert all(map(math.isnan, bootstrap_interval(values, list(patients))))
    with pytest.raises(ValueError, match="2 values of 3 images"):
        bootstrap_interval([1.0, 2.0], list("abc"))


def test_wilcoxon_is_exact_for_few_patients():
    # All n signs agree: 2 of the 2**n equally likely assignments are as extreme.
    values = np.array([1.0, 2.0, 3.5, 5.0, 7.0])
    p_value = paired_wilcoxon(values, np.zeros(5), list("abcde"))
    assert p_value == pytest.approx(2 / 2**5)
    # One sign differs, the smallest: 4 assignments.
    values[0] = -1.0
    assert paired_wilcoxon(values, np.zeros(5), list("abcde")) == pytest.approx(4 / 32)


def test_wilcoxon_counts_patients():
    values, patients = [1.0, 2.0, 3.0, 4.0], list("aabb")
    assert paired_wilcoxon(values, [0.0] * 4, patients) == pytest.approx(0.5)
    # Within a patient the differences cancel.
    assert paired_wilcoxon([1.0, 2.0], [2.0, 1.0], list("ab")) == 1.0
    assert paired_wilcoxon([1.0, 2.0, 5.0], [2.0, 1.0, 5.0], list("aab")) == 1.0


def test_wilcoxon_compares_means_of_patients():
    """Means differ by 1, -2 and 4, sums by 3, -2 and 4, where -2 has the first rank."""
    values, patients = [1.0, 1.0, 1.0, -2.0, 4.0], list("aaabc")
    assert paired_wilcoxon(values, [0.0] * 5, patients) == pytest.approx(6 / 8)


def test_wilcoxon_of_hard_cases():
    assert paired_wilcoxon([math.inf] * 3, [math.inf] * 3, list("abc")) == 1.0
    one = paired_wilcoxon([math.inf, 2.0, 3.0], [math.inf, 1.0, 3.0], list("abc"))
    assert one == 1.0
    better = paired_wilcoxon([math.inf, 2.0, 3.0], [1.0, 1.0, 1.0], list("abc"))
    assert better == pytest.approx(0.25)
    assert math.isnan(paired_wilcoxon([1.0], [2.0], ["a"]))
    assert math.isnan(paired_wilcoxon([1.0, math.nan], [2.0, 1.0], list("ab")))
