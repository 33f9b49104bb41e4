"""What a difference says: values worked by hand, textbooks' power, and simulations."""

import math

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from rpstn.metrics import Interval
from rpstn.metrics.endpoints import PRIMARY, choose_seed
from rpstn.metrics.significance import detectable_effect, equivalent, holm, judge, p_value


def student(values, level=0.95, seeds=None):
    """Student's interval of a mean, as this package writes one."""
    n, mean = len(values), float(np.mean(values))
    half = t.ppf((1 + level) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n, n, level, seeds, n - 1.0)


def test_p_is_students():
    values = np.random.default_rng(0).normal(0.4, 1, 12)
    assert p_value(student(values)) == pytest.approx(ttest_1samp(values, 0).pvalue)
    assert p_value(student(values, level=0.8)) == pytest.approx(ttest_1samp(values, 0).pvalue)
    assert p_value(Interval(0.0, 0.0, 0.0, 8, 8)) == 1 and p_value(Interval(0.1, 0.1, 0.1, 8, 8)) == 0
    assert math.isnan(p_value(Interval(0.1, math.nan, math.nan, 3, 8)))
    edge = Interval(0.02, 0.0, 0.05, 11, 99)  # of a bootstrap: the bound towards zero is at zero
    assert p_value(edge) == pytest.approx(0.05)


def test_holm_by_hand():
    """Four p-values: 0.01 x 4, 0.02 x 3, then 0.022 x 2 is less than the one before, 0.3 x 1."""
    assert holm({"c": 0.022, "a": 0.01, "d": 0.3, "b": 0.02}) == pytest.approx({"c": 0.06, "a": 0.04, "d": 0.3, "b": 0.06})
    assert (
        list(holm({"z": 0.5, "y": 0.9})) == ["z", "y"] and holm({"z": 0.6, "y": 0.9}) == {"z": 1.0, "y": 1.0} and holm({}) == {}
    )
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm({"a": math.nan})


def test_holm_holds_the_error_of_a_family():
    rng = np.random.default_rng(1)
    false = sum(min(holm(dict(enumerate(map(float, rng.uniform(size=10))))).values()) <= 0.05 for _ in range(2000))
    assert 0.035 < false / 2000 < 0.06


def test_the_detectable_effect_is_the_textbooks():
    """2.80 standard errors of a normal value; a paired t-test of 34 has 80 % power for half a standard deviation (Cohen)."""
    wide = Interval(0.0, -1.959964, 1.959964, 5, 9, df=1e6)
    assert detectable_effect(wide) == pytest.approx(2.8016, abs=1e-3)
    half = t.ppf(0.975, 33) / math.sqrt(34)
    assert detectable_effect(Interval(0.0, -half, half, 34, 34)) == pytest.approx(0.494, abs=0.002)
    assert math.isnan(detectable_effect(Interval(0.1, math.nan, math.nan, 3, 8)))
    with pytest.raises(ValueError, match="power"):
        detectable_effect(wide, 0.01)


@pytest.mark.parametrize("n", [4, 12])
def test_the_detectable_effect_is_found_in_80_percent_of_studies(n):
    half = t.ppf(0.975, n - 1) / math.sqrt(n)  # of a standard deviation of 1, known
    effect = detectable_effect(Interval(0.0, -half, half, n, n))
    values = np.random.default_rng(n).normal(effect, 1, (4000, n))
    assert 0.78 < (ttest_1samp(values, 0, axis=1).pvalue <= 0.05).mean() < 0.82


def test_equivalence_is_two_one_sided_tests():
    rng = np.random.default_rng(2)
    for margin in (0.2, 0.3, 0.5):
        values = rng.normal(0, 1, 60)
        ends = (
            ttest_1samp(values, -margin, alternative="greater").pvalue,
            ttest_1samp(values, margin, alternative="less").pvalue,
        )
        assert equivalent(student(values), margin) == (max(ends) < 0.05)
    assert not equivalent(Interval(0.0, math.nan, math.nan, 3, 8), 1) and not equivalent(Interval(0, -0.1, 0.1, 9, 8, seeds=1), 1)


def test_findings():
    """The primary comparison stands alone; of the others, two with p = 0.03 are no longer significant together."""
    rng = np.random.default_rng(3)
    shape = rng.normal(size=16)
    shape = (shape - shape.mean()) / shape.std(ddof=1)  # mean 0, standard deviation 1

    def at(p, scale=0.02):
        return student(scale * (shape + t.isf(p / 2, 15) / 4), seeds=5)

    items = {
        "main": at(0.03),
        "one": at(0.03),
        "two": at(0.03),
        "sure": at(1e-4),
        "none": student(shape * 0.01, seeds=5),
        "single": Interval(0.1, 0.05, 0.15, 12, 9, seeds=1),
        "few": Interval(0.1, math.nan, math.nan, 3, 9, seeds=5),
    }
    assert p_value(items["main"]) == pytest.approx(0.03)
    found = judge(items, primary="main")
    assert {name: item.kind for name, item in found.items()} == {
        "main": "better", "one": "open", "two": "open", "sure": "better", "none": "equivalent",
        "single": "one training", "few": "no interval",
    }  # fmt: skip
    assert found["one"].p == pytest.approx(0.09) and found["one"].adjusted and not found["main"].adjusted
    assert found["main"].p == pytest.approx(0.03) and found["sure"].p == pytest.approx(4e-4)
    wide = judge({name: at(0.03, scale=0.2) for name in "ab"} | {"worse": student(-0.2 * (shape + 2), seeds=5)})
    assert [item.kind for item in wide.values()] == ["open", "open", "worse"] and wide["a"].detectable > PRIMARY.margin


def test_the_primary_endpoint_is_what_was_written_down():
    assert (PRIMARY.reference, PRIMARY.subset, PRIMARY.threshold) == ("torso", "occluded", 0.2)
    assert (PRIMARY.comparison, PRIMARY.level, PRIMARY.power, PRIMARY.margin) == ("without_propagation", 0.95, 0.8, 0.01)


def test_a_seed_is_chosen_on_val_alone():
    assert choose_seed({2021: 0.7, 2022: 0.8, 2023: 0.75}) == 2022
    assert choose_seed({2023: 0.8, 2022: 0.8}) == 2022, "the lower number of two that score alike"
    with pytest.raises(ValueError, match="no seed"):
        choose_seed({})
