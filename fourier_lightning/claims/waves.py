"""Measures of spectra: outliers in embeddings, layers and logits."""

from collections.abc import Sequence

import numpy as np

from fourier_lightning.claims.measures import Measure, Measured
from fourier_lightning.readings import waves
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.runs import Run


def wave_sum_error(run: Run, peers: Sequence[Run]) -> Measured | None:
    """How far the sum of the strongest waves of the final logits peaks from the answer (figure 4b)."""
    errors = waves.wave_sum_errors(run)
    if errors is None:
        return None
    strongest = [f"{period:.3g}" for period in waves.strongest_periods(run, 5)]
    return Measured(float(np.mean(errors)), detail=f"{len(errors)} prompt(s); strongest T = {', '.join(strongest)}")


def layer_outliers(*modules: str, periods: Sequence[float] = SHORT, together: bool = False) -> Measure:
    """Share of these periods that stand out in what some layer of these modules writes (figures 3, 6, 8).

    Its control: the share that stands out but is not beyond states in random directions, read through the same
    unembedding. Those lines are the unembedding's own; any module would show them.

    Args:
        modules: "mlp", "attn".
        periods: T's.
        together: whether one layer has to have all of them.
    """

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        seen: list[set[float]] = []
        beyond: list[set[float]] = []
        told = []
        for module in modules:
            layers, own = waves.layer_lines(run, module, periods), waves.against_random(run, module)
            if layers is None or any((0, t) not in own for t in periods):
                return None
            for layer, found in enumerate(layers):
                seen.append(set(found))
                beyond.append({t for t in found if own[layer, t]["p_value"] <= waves.LEVEL})
                for t in sorted(found):
                    told.append(f"{module} {layer} T={t:g} x{found[t]:.1f} (z {own[layer, t]['z']:.1f})")
        value, real = share(seen, periods, together), share(beyond, periods, together)
        detail = ", ".join(told) or "no line stands out"
        return Measured(value, control=value - real, detail=f"{detail}; beyond random directions {real:.0%}")

    return measure


def share(found: Sequence[set[float]], periods: Sequence[float], together: bool) -> float:
    """Share of the periods found in any layer, or the largest share in one layer."""
    if together:
        return max(len(ts) for ts in found) / len(periods)
    return len(set().union(*found)) / len(periods)


def low_outliers(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Components below the cut-off beyond random directions in MLPs; 0 if attention has any (figure 10)."""
    mlp, attn = waves.low_outliers(run, "mlp"), waves.low_outliers(run, "attn")
    if mlp is None or attn is None:
        return None
    alone = mlp if attn == 0 else 0
    return Measured(alone, detail=f"components beyond random directions: MLP {mlp}, attention {attn}")


def embedding_outliers(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of the paper's periods at which the number rows have an outlier (figures 5a, 7a, 15)."""
    found = waves.embedding_lines(run)
    if found is None:
        return None
    peaks, elsewhere, outliers = found
    told = ", ".join(f"T={t:g} x{peaks[t]:.1f}" for t in SHORT)
    detail = f"power over neighbours': {told}; elsewhere to x{elsewhere:.1f}"
    return Measured(len(outliers) / len(SHORT), detail=detail)


def cluster_order(run: Run, peers: Sequence[Run]) -> Measured | None:
    """How far clusters of the number vectors go with magnitude, and with the last digit: the less (figure 5b)."""
    found = waves.cluster_order(run)
    if found is None:
        return None
    magnitude, digit = found
    return Measured(min(found), detail=f"with magnitude {magnitude:.2f}, with the last digit {digit:.2f}")
