"""How soon a model learns, against scipy's Welch interval and by hand."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from fourier_lightning.readings.onset import reached, times_as_late


def test_the_first_epoch_at_a_level():
    curve = [(1, 0.1), (2, 0.6), (3, 0.4), (4, 0.98)]
    assert [reached(curve, level) for level in (0.05, 0.5, 0.98, 0.99)] == [1, 2, 4, None]


def test_the_ratio_of_geometric_means_has_welchs_interval():
    late, early = [268, 148, 332, 208, 200], [44, 46, 46, 50]
    ratio, low, high = times_as_late(late, early)
    welch = ttest_ind(np.log(late), np.log(early), equal_var=False).confidence_interval(0.95)
    assert (low, high) == pytest.approx((np.exp(welch.low), np.exp(welch.high)))
    assert ratio == pytest.approx(np.prod(late) ** (1 / 5) / np.prod(early) ** (1 / 4)) and low < ratio < high
    assert times_as_late([4, 4], [2, 2]) == pytest.approx((2, 2, 2))
    with pytest.raises(ValueError, match="two"):
        times_as_late([4], [2, 2])


def test_the_interval_covers_what_it_says():
    """Five seeds a group, spreads of 0.3 and 0.05 in logarithms: 95 % of intervals hold the true ratio."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(2000):
        late, early = np.exp(rng.normal(2, 0.3, 5)), np.exp(rng.normal(0.5, 0.05, 5))
        _, low, high = times_as_late(late, early)
        inside += low <= np.exp(1.5) <= high
    assert 0.93 <= inside / 2000 <= 0.97
