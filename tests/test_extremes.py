"""The largest of many effects against a handful: by the formula, with numpy's own random numbers, and at its word."""

import numpy as np
import pytest
import torch

from fourier_lightning.fourier.extremes import SETS, beyond_random

EFFECTS = [0.3, 1.1, 0.6, 2.0, 0.9, 1.4, 0.5, 0.8]


def by_simulation(draws, values, sets=60_000):
    """Limit at 5 % and p-values, written out: cube roots from the smallest on where that is negative."""
    rng = np.random.default_rng(5)
    draws, values = np.asarray(draws), np.asarray(values)
    start = min(0.0, draws.min())
    roots = np.cbrt(draws - start)
    own = rng.standard_normal((sets, len(draws)))
    largest = rng.standard_normal((sets, len(values))).max(axis=1)
    null = (largest - own.mean(axis=1)) / own.std(axis=1, ddof=1)
    score = (np.cbrt(np.maximum(values - start, 0)) - roots.mean()) / roots.std(ddof=1)
    limit = max(0.0, roots.mean() + np.quantile(null, 0.95) * roots.std(ddof=1)) ** 3 + start
    return limit, (null[:, None] >= score).mean(axis=0)


@pytest.mark.parametrize("shift", [0.0, -1.0])  # with -1 some effects are gains
def test_limit_and_p_values_are_those_of_a_simulation(shift):
    draws = [effect + shift for effect in EFFECTS]
    values = [0.2 + shift, 2.5 + shift, 6.0 + shift, 9.0 + shift, 30.0 + shift]
    limit, p = beyond_random(torch.tensor(draws), torch.tensor(values))
    expected_limit, expected = by_simulation(draws, values)
    assert limit == pytest.approx(expected_limit, rel=0.05)
    assert p.numpy() == pytest.approx(expected, rel=0.15, abs=0.003)
    assert p[0] > 0.9 > p[1] > p[2] > p[3] >= p[4] > 0


def test_the_limit_is_where_p_reaches_the_level():
    draws = torch.tensor(EFFECTS)
    for level in (0.05, 0.2):
        limit, _ = beyond_random(draws, torch.zeros(40), level)
        beside = torch.full((40,), 0.1)
        beside[0], beside[1] = limit * 1.001, limit * 0.999
        _, p = beyond_random(draws, beside, level)
        assert p[0] <= level < p[1] < level + 0.01


def test_the_smallest_p_value_counts_the_observation_itself():
    _, p = beyond_random(torch.tensor(EFFECTS), torch.tensor([1e9]))
    assert p.item() == 1 / (SETS + 1)
    _, p = beyond_random(torch.tensor(EFFECTS), torch.tensor([-1e9]))
    assert p.item() > 0.98


def test_it_is_the_same_each_time_and_another_seed_is_close():
    draws, values = torch.tensor(EFFECTS), torch.tensor([5.0, 8.0, 1.0])
    once, again = beyond_random(draws, values), beyond_random(draws, values)
    other = beyond_random(draws, values, seed=1)
    assert once[0] == again[0] != other[0] and once[1].equal(again[1]) and not once[1].equal(other[1])
    assert once[0] == pytest.approx(other[0], rel=0.1)


def test_random_effects_that_do_not_scatter_leave_no_room():
    """All alike: anything above them is beyond, they themselves are not."""
    _, p = beyond_random(torch.full((5,), 2.0), torch.tensor([2.0, 2.1]))
    assert p[0] > 0.5 and p[1] < 0.001


def test_it_errs_about_as_often_as_it_says():
    """Twenty drawn, a hundred looked at, all of them sums of two squares: one is found in 5 % of 80 cases."""
    rng = torch.Generator().manual_seed(3)
    effects = torch.randn(80, 120, 2, generator=rng, dtype=torch.float64).square().sum(dim=2)
    found = sum(bool((beyond_random(row[:20], row[20:])[1] <= 0.05).any()) for row in effects)
    assert found <= 8
