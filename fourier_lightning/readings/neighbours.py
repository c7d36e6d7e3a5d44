"""Which numbers lie side by side in the number table: of like size, of like last digit, more often than by chance?"""

from dataclasses import dataclass

import numpy as np

from fourier_lightning.record.runs import Run

DRAWS = 999  # permutations of the number line
DIGITS = 10


@dataclass(frozen=True)
class Enrichment:
    """How often a number's nearest neighbour is of its kind.

    Attributes:
        share: of the numbers.
        chance: the same with the rows in random orders, mean.
        p_value: part of these orders (with the true one counted in) that reach the share.
    """

    share: float
    chance: float
    p_value: float

    @property
    def factor(self) -> float:
        """How many times as often as by chance."""
        return self.share / self.chance if self.chance else 0.0


def nearest(table: np.ndarray, beyond: int = 0) -> np.ndarray:
    """The nearest row of each row among those more than ``beyond`` away, by Euclidean distance: (p, d) to (p,)."""
    rows = np.asarray(table, dtype=float)
    squares = (rows**2).sum(axis=1)
    distance = squares[:, None] + squares[None, :] - 2 * rows @ rows.T
    numbers = np.arange(len(rows))
    distance[np.abs(numbers[:, None] - numbers) <= beyond] = np.inf
    return distance.argmin(axis=1)


def enrichment(kind: np.ndarray, neighbour: np.ndarray, reach: int = 0, seed: int = 0) -> Enrichment:
    """Hold the share of numbers whose neighbour is of their kind against random orders of the number line.

    Args:
        kind: (p,) of each number.
        neighbour: (p,) its nearest one.
        reach: how far kinds may be apart and count as one.
        seed: of the permutations.
    """
    rng = np.random.default_rng(seed)
    share = float((np.abs(kind - kind[neighbour]) <= reach).mean())
    orders = (rng.permutation(kind) for _ in range(DRAWS))
    drawn = np.array([(np.abs(one - one[neighbour]) <= reach).mean() for one in orders])
    return Enrichment(share, float(drawn.mean()), float((1 + (drawn >= share).sum()) / (1 + DRAWS)))


def neighbours(run: Run) -> tuple[Enrichment, Enrichment] | None:
    """Of the number rows' nearest neighbours: those within a tenth of the range, and those of the same last digit.

    Within 10 on short lines: the nearest number of the same last digit is of like size. The last digit is asked of
    neighbours more than 5 away: all nearer ones have another, and where size is strong the nearest is the next number,
    whatever the digits do.
    """
    table = run.array("number_embedding")
    if table is None:
        return None
    numbers, near = np.arange(len(table)), nearest(table)
    size = enrichment(numbers, near, reach=max(10, len(table) // 10))
    return size, enrichment(numbers % DIGITS, nearest(table, DIGITS // 2))
