"""Measures of spectra: outliers in embeddings, layers and logits."""

from collections.abc import Sequence

import numpy as np
import torch

from fourier_lightning.claims.measures import Measure, Measured, same
from fourier_lightning.fourier.spectrum import component_near, prominence
from fourier_lightning.record.runs import Run

SHORT = (2.0, 2.5, 5.0, 10.0)  # the paper's outliers
LEVEL = 0.05
TWICE = 2.0  # the least that a line has over its neighbours


def wave_sum_error(run: Run, peers: Sequence[Run]) -> Measured | None:
    """How far the sum of the strongest waves of the final logits peaks from the answer (figure 4b)."""
    total, rows = run.array("final_logits_topk_sum"), run.table("final_logit_waves")
    if total is None or not rows:
        return None
    answers = {(row["a"], row["b"]): row["answer"] for row in rows}
    errors = [abs(int(one.argmax()) - answer) for one, answer in zip(total, answers.values(), strict=False)]
    strongest = [f"{row['period']:.3g}" for row in rows if row["band"] == "all"][:5]
    return Measured(float(np.mean(errors)), detail=f"{len(errors)} prompt(s); strongest T = {', '.join(strongest)}")


def lines(power: np.ndarray, p: int, periods: Sequence[float] = SHORT) -> tuple[dict[float, float], float]:
    """Prominence of a spectrum (K,) at the paper's periods, and the most that a component elsewhere has.

    Elsewhere: above k = 10, and not within 2 of a harmonic of T = 10 (T = 10, 5, 10/3, 2.5, 2).
    """
    ratio = prominence(torch.as_tensor(power, dtype=torch.float64))
    harmonics = [component_near(10 / n, p) for n in range(1, 6)]
    others = [k for k in range(11, len(ratio) + 1) if all(abs(k - h) > 2 for h in harmonics)]
    most = max((float(ratio[k - 1]) for k in others), default=np.inf)
    return {t: float(ratio[component_near(t, p) - 1]) for t in periods}, most


def stands_out(value: float, elsewhere: float) -> bool:
    """Whether a line is one: more prominent than anything elsewhere, and twice its neighbours at least."""
    return value > elsewhere and value >= TWICE


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
        own = {(row["module"], row["layer"], row["period"]): row for row in run.table("layer_periods")}
        seen: dict[tuple[str, int], set[float]] = {}
        beyond: dict[tuple[str, int], set[float]] = {}
        told = []
        for module in modules:
            rms = run.array(f"layer_component_{module}_rms")
            if rms is None or any((module, 0, t) not in own for t in periods):
                return None
            for layer, values in enumerate(rms):
                found, elsewhere = lines(np.square(values), run.p, periods)
                seen[module, layer] = {t for t in periods if stands_out(found[t], elsewhere)}
                beyond[module, layer] = {t for t in seen[module, layer] if own[module, layer, t]["p_value"] <= LEVEL}
                told += [f"{module} {layer} T={t:g} x{found[t]:.1f} (z {own[module, layer, t]['z']:.1f})"
                         for t in sorted(seen[module, layer])]  # fmt: skip
        value = share(seen, periods, together)
        real = share(beyond, periods, together)
        detail = ", ".join(told) or "no line stands out"
        return Measured(value, control=value - real, detail=f"{detail}; beyond random directions {real:.0%}")

    return measure


def share(found: dict[tuple[str, int], set[float]], periods: Sequence[float], together: bool) -> float:
    """Share of the periods found in any layer, or the largest share in one layer."""
    if together:
        return max(len(ts) for ts in found.values()) / len(periods)
    return len(set().union(*found.values())) / len(periods)


def low_outliers(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Components below the cut-off beyond random directions in MLPs; 0 if attention has any (figure 10)."""
    counts = {}
    for module in ("mlp", "attn"):
        rms, limit = run.array(f"layer_component_{module}_rms"), run.array(f"layer_component_{module}_limit")
        if rms is None or limit is None:
            return None
        counts[module] = int((rms > limit)[:, : cutoff_of(run) - 1].any(axis=0).sum())
    alone = counts["mlp"] if counts["attn"] == 0 else 0
    return Measured(
        alone, detail=f"components beyond random directions: MLP {counts['mlp']}, attention {counts['attn']}"
    )


def cutoff_of(run: Run) -> int:
    """The cut-off of the run's ablation table, in k."""
    rows = run.table("filter_ablation")
    return int(rows[0]["cutoff"]) if rows else round(50 * run.p / 521)


def embedding_outliers(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of the paper's periods at which the number rows have an outlier (figures 5a, 7a, 15).

    That is: power beyond all three nulls, or a line that stands out from its neighbours.
    """
    rows = [row for row in run.table("embedding_periods") if row["line"] == "numbers"]
    found = {t: next((row for row in rows if same(row["period"], t)), None) for t in SHORT}
    spectrum = run.array("embedding_spectrum")
    if spectrum is None or any(row is None for row in found.values()):
        return None
    peaks, elsewhere = lines(np.square(spectrum), run.p)
    beyond = [t for t, row in found.items() if (row and row["significant"]) or stands_out(peaks[t], elsewhere)]
    told = ", ".join(f"T={t:g} x{peaks[t]:.1f}" for t in SHORT)
    return Measured(len(beyond) / len(SHORT), detail=f"power over neighbours': {told}; elsewhere to x{elsewhere:.1f}")


def cluster_order(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Adjusted mutual information of ten k-means clusters with tenths of the range, and with the last digit: the less.

    0 is chance, 1 is equality (figure 5b).
    """
    table = run.array("number_embedding")
    if table is None:
        return None
    from sklearn.metrics import adjusted_mutual_info_score as shared

    from fourier_lightning.figures.vectors import clusters

    numbers, found = np.arange(len(table)), clusters(table)
    magnitude, digit = shared(numbers * 10 // len(table), found), shared(numbers % 10, found)
    return Measured(min(magnitude, digit), detail=f"with magnitude {magnitude:.2f}, with the last digit {digit:.2f}")
