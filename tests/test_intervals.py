"""Intervals and controls' spread: against references, and by how often they say too much."""

import numpy as np
import pytest
from scipy import special, stats

from fourier_lightning.claims.intervals import beyond_control, interval
from fourier_lightning.claims.measures import Measured
from fourier_lightning.claims.verdict import Bound
from fourier_lightning.readings.seeds import share_interval, t_interval, wilson
from tests.test_verdict import claim, judge, runs, several


def test_intervals_against_references():
    values = [0.2, 0.5, 0.9, 0.4]
    np.testing.assert_allclose(
        t_interval(values), stats.t.interval(0.95, 3, np.mean(values), stats.sem(values)), rtol=1e-12
    )
    assert t_interval([0.3, 0.3]) == pytest.approx((0.3, 0.3))
    with pytest.raises(ValueError, match="two of them"):
        t_interval([0.3])
    z, n, p = stats.norm.ppf(0.975), 50, 0.3
    centre, half = (
        (p + z**2 / (2 * n)) / (1 + z**2 / n),
        z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n * n)),
    )
    np.testing.assert_allclose(wilson(p, n), (centre - half, centre + half))
    assert interval(several(0.3, n=50), alone=True) == wilson(0.3, 50)
    assert interval(several(0.3, n=50), alone=False) == interval(several(0.3), alone=True) == (None, None)
    for spread in ({"control_std": 0.1, "draws": 1}, {"draws": 5}):  # one draw has no spread
        assert interval(several(0.3, **spread), alone=True) == (None, None)
    (found,) = judge(claim(several(0.3, n=50)), runs(1, body="pretrained", table="pretrained", trained=False))
    assert (found.low, found.high) == wilson(0.3, 50)


def test_a_controls_spread_widens_only_what_has_the_control_in_it():
    """Beside its control a number has that spread in ``beyond_control``; a difference has it in its interval."""
    spread = {"control_std": 0.3, "draws": 5}
    assert interval(several(0.9, 0.8, 0.7, control=0.1, **spread), alone=False) == t_interval([0.9, 0.8, 0.7])
    low, high = interval(several(0.9, 0.8, 0.7, **spread), alone=False)
    assert low < t_interval([0.9, 0.8, 0.7])[0] - 0.3 and high > t_interval([0.9, 0.8, 0.7])[1] + 0.3


def test_no_interval_of_shares_leaves_zero_to_one():
    """Student's t of the logits; shares of 0 and 1 are half an example away."""
    values = [0.98, 0.999, 0.9]
    inside = np.array([0.98, 0.9975, 0.9])  # half an example of 200
    low, high = stats.t.interval(0.95, 2, np.mean(special.logit(inside)), stats.sem(special.logit(inside)))
    assert share_interval(values, 200) == pytest.approx(special.expit([low, high]))
    assert interval(several(*values, n=200), alone=False) == pytest.approx(special.expit([low, high]))
    for values in ([1.0, 1.0, 0.4], [0.0, 0.2, 0.0], [1.0, 1.0, 1.0]):
        low, high = share_interval(values, 100)
        assert 0 < low <= high < 1 and (t_interval(values)[0] < 0 or t_interval(values)[1] >= 1)
    assert share_interval([0.9922] * 5, 516) == pytest.approx((0.9922, 0.9922))
    rng = np.random.default_rng(0)  # seeds whose logits scatter around 2.5: how often is that inside?
    draws = [share_interval(special.expit(rng.normal(2.5, 0.4, 5)).tolist(), 5000) for _ in range(1000)]
    assert np.mean([low <= special.expit(2.5) <= high for low, high in draws]) == pytest.approx(0.95, abs=0.02)


def test_ratios_are_printed_as_ratios_and_power_grows_with_seeds():
    """Numbers in log2: a mean of twice is supported by five seeds that one or two can't decide."""
    bound = Bound(1.0, "above", "at least twice", ratio=True)
    values = [1.3, 1.9, 1.5, 1.7, 1.4]
    outcomes = [judge(claim(several(*values[:n]), bound), runs(n))[0].outcome for n in (1, 2, 5)]
    assert outcomes == ["undecided", "undecided", "supported"]
    (verdict,) = judge(claim(several(*values), bound), runs(5))
    low, high = t_interval(values)
    assert (verdict.value, verdict.low, verdict.high) == pytest.approx((2 ** np.mean(values), 2**low, 2**high))


@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_covers_the_mean_as_often_as_it_says(seeds):
    draws = np.random.default_rng(seeds).normal(0.7, 0.1, (2000, seeds))
    ends = np.array([t_interval(values) for values in draws])
    assert np.mean((ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(("seeds", "draws"), [(3, 3), (5, 3), (1, 5)])
def test_what_is_a_draw_of_its_control_is_seldom_beyond_it(seeds, draws):
    """No effect, draws shared by the seeds, little noise between seeds: at most 2.5 % may pass on one side."""
    rng, passed = np.random.default_rng(0), []
    for _ in range(1000):
        drawn = rng.normal(0.5, 0.1, draws + 1)
        numbers = [
            Measured(drawn[0] + noise, control=drawn[1:].mean(), control_std=drawn[1:].std(ddof=1), draws=draws)
            for noise in rng.normal(0, 0.01, seeds)
        ]
        passed.append(beyond_control(numbers, "above"))
    assert np.mean(passed) <= 0.1  # pooled freedom of draws that the seeds share: a little too sure


def test_the_spread_of_draws_and_of_seeds_add_up():
    numbers = [Measured(v, control_std=s, draws=n) for v, s, n in ((0.2, 0.01, 3), (0.4, 0.03, 9))]
    low, high = interval(numbers, alone=False)
    seeds = np.subtract(*t_interval([0.2, 0.4])[::-1]) / 2
    draws = stats.t.ppf(0.975, 10) * np.sqrt((2 * 0.01**2 + 8 * 0.03**2) / 10 * (1 + 1 / 3))
    assert (low + high) / 2 == pytest.approx(0.3) and (high - low) / 2 == pytest.approx(np.hypot(seeds, draws))
