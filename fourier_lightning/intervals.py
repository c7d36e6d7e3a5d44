"""95 % intervals: of a mean over seeds, and of a proportion over examples."""

from collections.abc import Sequence

import numpy as np


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean; the same at every call.

    With two or three values it reaches no further than the values themselves: read it as their range.

    Raises:
        ValueError: fewer than two values.
    """
    from scipy.stats import bootstrap as resample  # a second to import, and only reports want it

    if len(values) < 2:
        raise ValueError("an interval over seeds needs two of them")
    if len(set(values)) == 1:  # scipy warns of a degenerate distribution
        return values[0], values[0]
    found = resample((list(values),), np.mean, method="percentile", n_resamples=2000, rng=np.random.default_rng(0))
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval of a proportion of n examples."""
    from scipy.stats import binomtest

    found = binomtest(round(min(1.0, max(0.0, share)) * n), n).proportion_ci(method="wilson")
    return float(found.low), float(found.high)
