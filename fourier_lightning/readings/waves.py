"""Which waves a spectrum holds: lines, outliers, long and short, of embeddings, layers and logits."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fourier_lightning.fourier.selection import Selection
from fourier_lightning.fourier.spectrum import component_near, period_probes, prominence
from fourier_lightning.readings.filters import same
from fourier_lightning.readings.paper import LABELLED, SHORT
from fourier_lightning.record.runs import Run

LEVEL = 0.05
TWICE = 2.0  # the least that a line has over its neighbours
OUTLIERS = 10  # labelled in the paper's figure 3


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


def layer_lines(run: Run, module: str, periods: Sequence[float] = SHORT) -> list[dict[float, float]] | None:
    """Of each layer's "mlp" or "attn": the periods that stand out in what it writes, with their prominence."""
    rms = run.array(f"layer_component_{module}_rms")
    if rms is None:
        return None
    found = [lines(np.square(layer), run.p, periods) for layer in rms]
    return [{t: value for t, value in peaks.items() if stands_out(value, most)} for peaks, most in found]


def lines_of(run: Run, module: str) -> list[float] | None:
    """The paper's periods that stand out in what some layer of a module writes."""
    layers = layer_lines(run, module)
    return None if layers is None else [t for t in SHORT if any(t in layer for layer in layers)]


def against_random(run: Run, module: str) -> dict[tuple[int, float], dict[str, Any]]:
    """Rows of ``layer_periods`` by layer and period: its powers beside states in random directions."""
    return {(row["layer"], row["period"]): row for row in run.table("layer_periods") if row["module"] == module}


def beyond_random(run: Run, module: str) -> tuple[list[float], list[float]]:
    """The periods that some layer of a module writes beyond states in random directions, and those asked for."""
    rows = against_random(run, module)
    found = {period for (_, period), row in rows.items() if row["p_value"] <= LEVEL}
    return sorted(found), sorted({period for _, period in rows})


def low_share(run: Run, module: str) -> float | None:
    """Share of a module's power over the number line that lies below the cut-off, all layers together."""
    rms = run.array(f"layer_component_{module}_rms")
    if rms is None or not run.table("filter_ablation"):
        return None
    power = np.square(rms).sum(axis=0)
    return float(power[: cutoff_of(run) - 1].sum() / power.sum())


def cutoff_of(run: Run) -> int:
    """The cut-off of the run's ablation table, in k; the paper's period where there is none."""
    rows = run.table("filter_ablation")
    return int(rows[0]["cutoff"]) if rows else Selection().cutoff_at(run.p)


def embedding_lines(run: Run) -> tuple[dict[float, float], float, list[float]] | None:
    """Of the number rows: prominence at the paper's periods, the most elsewhere, and the periods that are outliers.

    An outlier has power beyond all three nulls, or is beyond the detrended null and stands out from its neighbours
    (figures 5a, 7a, 15).
    """
    rows, spectrum = short_rows(run), run.array("embedding_spectrum")
    if spectrum is None or rows is None:
        return None
    peaks, elsewhere = lines(np.square(spectrum), run.p)
    above = {t for t, row in rows.items() if beyond_trend(row) and stands_out(peaks[t], elsewhere)}
    return peaks, elsewhere, [t for t, row in rows.items() if row["significant"] or t in above]


def short_rows(run: Run, first: bool = False) -> dict[float, dict[str, Any]] | None:
    """The number rows' row of ``embedding_periods`` at each of the paper's periods; None if one is missing.

    Args:
        first: of the weights that training started from, and not of the last ones.
    """
    rows = run.rows("embedding_periods") if first else run.table("embedding_periods")
    mine = [row for row in rows if row["line"] == "numbers" and (not first or row["epoch"] < 0)]
    found = {t: next((row for row in mine if same(row["period"], t)), None) for t in SHORT}
    kept = {t: row for t, row in found.items() if row is not None}
    return kept if len(kept) == len(SHORT) else None


def embedding_periods(run: Run) -> tuple[list[float], list[float]]:
    """The periods at which the number rows are beyond all nulls, and those asked for."""
    rows = [row for row in run.table("embedding_periods") if row["line"] == "numbers"]
    return [row["period"] for row in rows if row["significant"]], [row["period"] for row in rows]


def embedding_peaks(magnitude: np.ndarray, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Components of the number rows beyond the detrended null that are peaks.

    On the slope of a trend that reaches past the cut-off that null lets everything through: peaks alone.

    Args:
        magnitude: (K,) the spectrum.
        rows: of ``embedding_components``.
    """
    beyond = [row["component"] for row in rows if row["line"] == "numbers" and beyond_trend(row)]
    return [component for component in beyond if is_peak(magnitude, component)]


def beyond_trend(row: dict[str, Any]) -> bool:
    """Whether a component or period is beyond the detrended null at 5 %, corrected."""
    value = row.get("p_value_detrended")
    return value is not None and value <= LEVEL


def is_peak(magnitude: np.ndarray, component: int, reach: int = 3) -> bool:
    """Whether a component is the largest among its neighbours: on the slope of a trend none is."""
    return bool(magnitude[component - 1] == magnitude[max(0, component - 1 - reach) : component + reach].max())


def outliers(values: np.ndarray, count: int = OUTLIERS) -> list[int]:
    """Components that stand out from their neighbours in some layer of magnitudes (layers, K): up to ``count``.

    Standing out is power of at least twice the neighbours' (``prominence``); of several close together, the first.
    """
    power = torch.as_tensor(np.asarray(values), dtype=torch.float64).square()
    ratio = prominence(power).amax(dim=0).tolist()
    apart, chosen = max(2, len(ratio) // 14), []
    for k in sorted(range(1, len(ratio) + 1), key=lambda k: -ratio[k - 1]):
        if ratio[k - 1] >= TWICE and len(chosen) < count and all(abs(k - other) >= apart for other in chosen):
            chosen.append(k)
    return sorted(chosen)


def nearest_labelled(component: int, p: int) -> float | None:
    """The labelled period whose nearest component this is, if any."""
    return next((period for period in LABELLED if component == component_near(period, p)), None)


def strongest_layer(contributions: np.ndarray, periods: Sequence[float]) -> int:
    """The layer whose contribution (layers, p) has the largest share of its power at these exact periods."""
    values = torch.as_tensor(contributions, dtype=torch.float64)
    probes = period_probes(list(periods), values.shape[1])
    power = torch.stack([probes.power(row[:, None]).sum() for row in values])
    return int((power / (values - values.mean(1, keepdim=True)).square().sum(1).clamp_min(1e-30)).argmax())


def first_prompt(run: Run) -> list[dict[str, Any]]:
    """The waves of the final logits of the first of the run's prompts."""
    rows = run.table("final_logit_waves")
    return [row for row in rows if all(row.get(name) == rows[0].get(name) for name in "abc")]


def kept_lines(run: Run) -> dict[float, float] | None:
    """Power of the number rows at the paper's periods over that before training; of those that were lines there.

    None if the record lacks one of the two.
    """
    now, first = short_rows(run), short_rows(run, first=True)
    if now is None or first is None:
        return None
    real = [t for t in SHORT if first[t]["significant"] or beyond_trend(first[t])]
    return {t: now[t]["power"] / first[t]["power"] for t in real}


def few_waves(run: Run) -> dict[str, Any] | None:
    """The row that says how often the strongest waves of the final logits alone peak at the answer (figure 4b)."""
    return next(iter(run.table("few_waves")), None)


def clusters(table: np.ndarray) -> np.ndarray:
    """k-means cluster of each number vector, ten of them, the best of ten starts: (p, d) to (p,)."""
    from sklearn.cluster import KMeans  # seconds to import

    return KMeans(min(10, len(table)), n_init=10, random_state=0).fit_predict(table)
