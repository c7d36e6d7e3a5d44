"""Shares of errors that are multiples of ten: the interval, the null, and errors planted with and without a reason."""

import pytest
import torch
from scipy.stats import binom, binomtest

from fourier_lightning.fourier.shares import chance_of_ten, tens_among, wilson


@pytest.mark.parametrize(("count", "n"), [(0, 1), (0, 50), (7, 50), (50, 50), (900, 1000)])
def test_wilsons_interval_is_scipys(count, n):
    theirs = binomtest(count, n).proportion_ci(method="wilson")
    assert wilson(count, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_the_chance_of_an_error_by_its_size():
    assert [chance_of_ten(error) for error in (1, -4, 5, -5)] == pytest.approx([0, 0, 1 / 19, 1 / 19])
    assert {round(chance_of_ten(sign * error), 12) for error in range(6, 300) for sign in (1, -1)} == {0.1}


def test_the_null_is_two_binomials_added_up_exactly():
    errors = [7] * 30 + [5] * 10 + [2] * 4 + [10] * 5
    found = tens_among([*errors, 0, 0])
    pmf = [sum(binom.pmf(i, 35, 0.1) * binom.pmf(n - i, 10, 1 / 19) for i in range(n + 1)) for n in range(46)]
    below = torch.tensor(pmf).cumsum(0)
    assert (found.errors, found.tens, found.share) == (49, 5, 5 / 49)
    assert found.expected == pytest.approx((3.5 + 10 / 19) / 49)
    assert found.p_value == pytest.approx(sum(pmf[5:]))
    for level, bound in ((0.025, found.expected_low), (0.975, found.expected_high)):
        assert round(bound * 49) == int((below >= level).long().argmax())


def test_no_errors_say_nothing_and_near_misses_never_are_tens():
    assert tens_among([0, 0]) is None and tens_among([]) is None
    near = tens_among([1, -2, 3])
    assert (near.share, near.expected, near.expected_high, near.p_value) == (0, 0, 0, 1)
    assert tens_among([10**25, 7]).tens == 1  # as Python counts


def planted(kind, size, n, rng):
    """Errors without a reason for ten, 0 left out."""
    noise = {
        "normal": torch.randn(2 * n, generator=rng),
        "laplace": torch.randn(2 * n, generator=rng) * torch.empty(2 * n).exponential_(0.5, generator=rng).sqrt(),
        "uniform": 4 * torch.rand(2 * n, generator=rng) - 2,
    }[kind]
    errors = (noise * size).round().long()
    return errors[errors != 0][:n].tolist()


@pytest.mark.parametrize("kind", ["normal", "laplace", "uniform"])
@pytest.mark.parametrize("size", [2, 10, 30, 100])
def test_errors_without_a_reason_for_ten_are_beyond_the_null_as_often_as_chance_allows(kind, size):
    rng = torch.Generator().manual_seed(size)
    found = [tens_among(planted(kind, size, 200, rng)) for _ in range(100)]
    assert sum(one.p_value <= 0.05 for one in found) / len(found) <= 0.1  # 5 %, and two standard errors
    if size > 2:  # steep errors have fewer tens than their null, so that it is cautious there
        inside = sum(one.expected_low <= one.share <= one.expected_high for one in found) / len(found)
        assert inside >= 0.9


@pytest.mark.parametrize("share", [0.15, 0.5, 0.93])
def test_planted_tens_are_found_with_their_share(share):
    rng = torch.Generator().manual_seed(0)
    errors = planted("normal", 20, 600, rng)
    tens = int(share * len(errors))
    errors[:tens] = [10 * (1 + index % 4) * (-1) ** index for index in range(tens)]
    found = tens_among(errors)
    assert found.p_value < 0.001 and found.share >= share and found.low > found.expected_high
    assert found.low < found.share < found.high
