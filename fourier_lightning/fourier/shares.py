"""Shares of counted things: their interval, and whether errors are multiples of ten more often than by chance."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import conv1d

REACH = 1.959963984540054  # standard deviations of a normal variable that hold 95 %
BASE = 10


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of n > 0 things."""
    share, spare = count / n, REACH**2 / n
    middle = (share + spare / 2) / (1 + spare)
    half = REACH * (share * (1 - share) / n + spare / (4 * n)) ** 0.5 / (1 + spare)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Tens:
    """How many of some errors are multiples of ten, and how many would be by chance.

    Attributes:
        errors: how many there are; none of them is 0.
        tens: multiples of ten among them.
        share, low, high: tens / errors, and its 95 % interval (Wilson).
        expected, expected_low, expected_high: the share by chance: mean, and what holds 95 % of all draws (exact).
        p_value: chance of as many tens, or more (exact).
    """

    errors: int
    tens: int
    share: float
    low: float
    high: float
    expected: float
    expected_low: float
    expected_high: float
    p_value: float


def tens_among(errors: Iterable[int]) -> Tens | None:
    """Share of errors that are multiples of ten, against errors of the same sizes without a reason for ten.

    The null: an error e could as well have been any of the ten numbers around it (e - 5 to e + 5, the two ends for one
    half each), but not 0, which is no error. So one of size 4 or less never is a multiple of ten, one of size 5 with
    chance 1/19, a larger one with chance 1/10, each by itself: a sum of two binomial counts, added up exactly. It
    is right where the chance of an error changes little over ten numbers, whatever the sizes are.

    Args:
        errors: what was said less what is right, of wrong answers; zeros are left out.

    Returns:
        None without an error.
    """
    wrong = [error for error in errors if error]
    if not wrong:
        return None
    n, tens = len(wrong), sum(error % BASE == 0 for error in wrong)
    chances: Counter[float] = Counter()
    for size, count in Counter(map(abs, wrong)).items():
        chances[chance_of_ten(size)] += count
    chances.pop(0.0, None)
    pmf = torch.ones(1, dtype=torch.float64)
    for chance, count in chances.items():
        pmf = conv1d(pmf[None, None], binomial(count, chance).flip(0)[None, None], padding=count)[0, 0]
    below, draws = pmf.cumsum(0), torch.arange(len(pmf), dtype=torch.float64)
    low, high = (int((below >= level).long().argmax()) for level in (0.025, 0.975))
    return Tens(
        n, tens, tens / n, *wilson(tens, n),
        float(pmf @ draws) / n, low / n, high / n, min(1.0, float(pmf[tens:].sum())),
    )  # fmt: skip


def chance_of_ten(error: int) -> float:
    """Chance that an error of this size is a multiple of ten under the null of ``tens_among``."""
    around = {error + step: 0.5 if abs(step) == BASE // 2 else 1.0 for step in range(-(BASE // 2), BASE // 2 + 1)}
    around.pop(0, None)
    return sum(weight for value, weight in around.items() if value % BASE == 0) / sum(around.values())


def binomial(n: int, chance: float) -> Float[Tensor, " n+1"]:
    """Chances of 0..n successes in n draws, float64."""
    counts = torch.arange(n + 1, dtype=torch.float64)
    return torch.distributions.Binomial(n, torch.tensor(chance, dtype=torch.float64)).log_prob(counts).exp()
