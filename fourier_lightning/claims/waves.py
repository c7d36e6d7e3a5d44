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
    """Share of the paper's periods at which the number rows are beyond all three nulls (figures 5a, 7a, 15)."""
    rows = [row for row in run.table("embedding_periods") if row["line"] == "numbers"]
    found = {t: next((row for row in rows if same(row["period"], t)), None) for t in SHORT}
    if any(row is None for row in found.values()):
        return None
    beyond = [t for t, row in found.items() if row and row["significant"]]
    shares = ", ".join(f"T={t:g} {row['share']:.2%}" for t, row in found.items() if row)
    return Measured(len(beyond) / len(SHORT), detail=f"share of power: {shares}")


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
