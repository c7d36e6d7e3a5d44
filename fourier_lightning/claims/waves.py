"""Measures of spectra: outliers in embeddings, layers and logits."""

from collections.abc import Sequence

import numpy as np

from fourier_lightning.claims.measures import Measure, Measured, same
from fourier_lightning.tracking.runs import Run

SHORT = (2.0, 2.5, 5.0, 10.0)  # the paper's outliers
LEVEL = 0.05


def wave_sum_error(run: Run, peers: Sequence[Run]) -> Measured | None:
    """How far the sum of the strongest waves of the final logits peaks from the answer (figure 4b)."""
    total, rows = run.array("final_logits_topk_sum"), run.table("final_logit_waves")
    if total is None or not rows:
        return None
    answers = list(dict.fromkeys((row["a"], row["b"]) for row in rows))
    errors = [abs(int(one.argmax()) - a - b) for one, (a, b) in zip(total, answers, strict=True)]
    strongest = [f"{row['period']:.3g}" for row in rows if row["band"] == "all"][:5]
    return Measured(float(np.mean(errors)), detail=f"{len(answers)} prompt(s); strongest T = {', '.join(strongest)}")


def layer_outliers(*modules: str, periods: Sequence[float] = SHORT) -> Measure:
    """Share of these periods that some layer of these modules writes beyond random directions (figures 3, 6, 8)."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        rows = [row for row in run.table("layer_periods") if row["module"] in modules]
        if not all(any(same(row["period"], t) for row in rows) for t in periods):
            return None
        beyond = [r for r in rows if r["p_value"] <= LEVEL and any(same(r["period"], t) for t in periods)]
        found = [t for t in periods if any(same(row["period"], t) for row in beyond)]
        best = max(rows, key=lambda row: row["z"])
        where = ", ".join(f"{r['module']} {r['layer']} T={r['period']:.3g} (z {r['z']:.1f})" for r in beyond)
        highest = f"highest z {best['z']:.1f} ({best['module']} {best['layer']}, T={best['period']:.3g})"
        return Measured(len(found) / len(periods), detail=where or highest)

    return measure


def low_outliers(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Components below the cut-off that stand out beyond random directions: MLPs' less attentions' (figure 10)."""
    counts = {}
    for module in ("mlp", "attn"):
        rms, limit = run.array(f"layer_component_{module}_rms"), run.array(f"layer_component_{module}_limit")
        if rms is None or limit is None:
            return None
        cutoff = cutoff_of(run)
        counts[module] = int((rms > limit)[:, : cutoff - 1].any(axis=0).sum())
    return Measured(counts["mlp"] - counts["attn"], detail=f"MLP {counts['mlp']}, attention {counts['attn']}")


def cutoff_of(run: Run) -> int:
    """The cut-off of the run's ablation table, in k."""
    rows = run.table("filter_ablation")
    return int(rows[0]["cutoff"]) if rows else round(50 * run.p / 521)


def embedding_outliers(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of the paper's periods at which the number rows have an outlier (figures 5a, 7a, 15).

    That is: power beyond all three nulls, or a component that stands out from its neighbours more than any component
    away from the harmonics of 10 does. The nulls alone miss short waves beside a strong trend; see ``prominence``.
    """
    rows = [row for row in run.table("embedding_periods") if row["line"] == "numbers"]
    found = {t: next((row for row in rows if same(row["period"], t)), None) for t in SHORT}
    spectrum = run.array("embedding_spectrum")
    if spectrum is None or any(row is None for row in found.values()):
        return None
    ratio, others = prominence(np.square(spectrum), run.p)
    peaks = {t: float(ratio[round(run.p / t) - 1]) for t in SHORT}
    beyond = [t for t, row in found.items() if (row and row["significant"]) or peaks[t] > others]
    told = ", ".join(f"T={t:g} x{peaks[t]:.1f}" for t in SHORT)
    return Measured(
        len(beyond) / len(SHORT), detail=f"power over the neighbours': {told}; elsewhere up to x{others:.1f}"
    )


def prominence(power: np.ndarray, p: int, near: int = 2, far: int = 10) -> tuple[np.ndarray, float]:
    """Power of each component (K,) over the median of its neighbours', and the largest such ratio of a control.

    Neighbours are 3 to 10 components away on either side. Controls are the components above k = 10 that are not within
    2 of a harmonic of T = 10 (T = 10, 5, 10/3, 2.5, 2).
    """
    count = len(power)
    ratio = np.ones(count)
    for k in range(1, count + 1):
        around = [j for j in range(k - far, k + far + 1) if abs(j - k) > near and 1 <= j <= count]
        ratio[k - 1] = power[k - 1] / max(float(np.median(power[np.array(around) - 1])), 1e-30)
    harmonics = [round(p * n / 10) for n in range(1, 6)]
    controls = [k for k in range(far + 1, count + 1) if all(abs(k - h) > near for h in harmonics)]
    return ratio, float(max((ratio[k - 1] for k in controls), default=np.inf))


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
