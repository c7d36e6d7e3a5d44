"""What is right by luck: answers that know nothing are near, or right modulo 10, often on a short number line."""

from functools import cache

import numpy as np


@cache
def luck(name: str, p: int) -> float:
    """How often a guess, any number 0..p-1 alike, is right of a sum: modulo 10 ("mod_10"), or to 10 ("within_10")."""
    apart = np.abs(sums_on(p)[:, None] - np.arange(p))
    return float((apart % 10 == 0 if name == "mod_10" else apart <= 10).mean())


def beyond_luck(share: float, name: str, p: int) -> float:
    """A share of answers less what guesses have of it: 1 if all are right, 0 if no more are than of guesses."""
    return max(0.0, (share - luck(name, p)) / (1 - luck(name, p)))


def in_the_middle(p: int, exact: bool) -> float:
    """How often a sum is within a tenth of the line from its middle; ``exact`` counts the middle itself."""
    apart = np.abs(sums_on(p) - (p - 1) / 2)
    return float(((apart <= p / 10) & (exact | (apart > 0))).mean())


def sums_on(p: int) -> np.ndarray:
    """The sums of all unordered pairs of numbers 0..(p - 1) / 2."""
    operands = np.arange((p + 1) // 2)
    return (operands[:, None] + operands)[np.triu_indices(len(operands))]
