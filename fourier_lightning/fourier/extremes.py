"""The largest of many effects against a handful of random ones."""

import torch
from jaxtyping import Float
from torch import Tensor

SETS = 20_000  # simulated; the smallest p-value is 1 / (SETS + 1)


def beyond_random(
    draws: Float[Tensor, " n"], values: Float[Tensor, " K"], level: float = 0.05, seed: int = 0
) -> tuple[float, Float[Tensor, " K"]]:
    """Which of K effects are larger than the largest of K random ones would be.

    A maximum statistic without K passes for each of many draws: the n effects that random directions have tell where
    such effects lie and how they scatter, and the largest of K more of them is simulated. Effects are taken to the
    cube root first, from the smallest on where that is negative: what removing directions costs is about a sum of
    squares, skewed to the right, and its cube root is close to normal (Wilson and Hilferty). Among 100 or 260 random
    effects, 20 drawn, that finds one in 5 % of the cases if they are sums of two squares or more of equal weight (17
    to 25 % if the weights fall as 1 / i^2, 1 % and less if their mean is near zero); deviations of the effects
    themselves, with a t distribution's bound at 0.05 / K, find one in 30 to 70 %.

    Args:
        draws: n effects of random directions, two or more.
        values: the K effects, all that were looked at.
        level: of ``limit``.
        seed: of the simulation.

    Returns:
        the effect from which p is at most ``level``, and each value's p, corrected for the K.
    """
    rng = torch.Generator().manual_seed(seed)
    random = torch.randn(SETS, len(draws), generator=rng, dtype=torch.float64)
    uniform = torch.rand(SETS, generator=rng, dtype=torch.float64)
    largest = torch.special.ndtri(uniform ** (1 / len(values)))  # of K normal numbers
    null = ((largest - random.mean(dim=1)) / random.std(dim=1)).sort().values
    start = draws.double().min().clamp_max(0)
    roots = (draws.double() - start).pow(1 / 3)
    spread = roots.std().clamp_min(1e-12)
    t = ((values.double() - start).clamp_min(0).pow(1 / 3) - roots.mean()) / spread
    above = SETS - torch.searchsorted(null, t)  # simulated ones that are as large or larger
    root = roots.mean() + null[SETS - int(level * (1 + SETS)) + 1] * spread  # so many less one lie as high or higher
    return float(root.clamp_min(0) ** 3 + start), (1 + above.double()) / (1 + SETS)
