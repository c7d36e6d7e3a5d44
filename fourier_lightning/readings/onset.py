"""How soon a model learns: the first epoch at which its validation accuracy reaches a level."""

import math
from collections.abc import Sequence

import numpy as np

from fourier_lightning.readings.seeds import t_reach

LEVELS = (0.5, 0.9, 0.98)


def reached(curve: Sequence[tuple[float, float]], level: float) -> float | None:
    """The x of the first point of a curve (x, accuracy) that is at a level or above; None if there is none."""
    return next((x for x, accuracy in curve if accuracy >= level), None)


def times_as_late(late: Sequence[float], early: Sequence[float]) -> tuple[float, float, float]:
    """How many times as late one group of runs is as another: ratio of geometric means, with its 95 % interval.

    Welch's t interval of the difference of mean logarithms: the groups' spreads may differ, and runs are not paired.

    Args:
        late, early: times (epochs, steps, seconds), at least two of each.

    Returns:
        ratio, low, high.

    Raises:
        ValueError: fewer than two times in a group.
    """
    if min(len(late), len(early)) < 2:
        raise ValueError("an interval over seeds needs two of them")
    logs = [np.log(np.asarray(times, dtype=float)) for times in (late, early)]
    difference = float(logs[0].mean() - logs[1].mean())
    errors = [float(values.var(ddof=1)) / len(values) for values in logs]
    if not sum(errors):
        return (math.exp(difference),) * 3
    freedom = sum(errors) ** 2 / sum(e**2 / (len(v) - 1) for e, v in zip(errors, logs, strict=True))
    reach = t_reach(freedom) * math.sqrt(sum(errors))
    return math.exp(difference), math.exp(difference - reach), math.exp(difference + reach)
