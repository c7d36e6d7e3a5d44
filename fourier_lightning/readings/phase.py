"""Which waves of the answer modules write: beyond their nulls, aligned with it, more than periods without meaning."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fourier_lightning.readings.filters import same
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.runs import Run

Row = dict[str, Any]
LEVEL = 0.05  # of the p-value, corrected over modules and periods
ALIGNED = 0.5  # alignment from which a wave points at the answer more than it does not
TWICE = 2.0  # the least over the largest amount at the controls: a peak by heart has all periods alike, a bump all long
MAX_LOG2 = 4.0  # of a ratio: 16 times the controls are as good as any more; they may be next to nothing
MEANINGLESS = (3.0, 7.0)  # negative controls: no period of decimal numbers; beside each period stand its brackets


def written(run: Run, module: str, periods: Sequence[float] = SHORT) -> list[dict[float, tuple[float, float]]] | None:
    """Of each layer's "mlp" or "attn": the periods that it writes, with alignment and amount over the controls'.

    A period is written if its p-value in ``answer_phase`` is at most 5 %, its alignment at least ``ALIGNED``, and its
    amount at least ``TWICE`` the largest of its negative controls in the same module of the same layer: T = 3 and 7,
    and the periods that bracket it.

    Returns:
        one dictionary a layer; None if the record lacks the table, one of these periods, or the controls.
    """
    found = [written_in(layer, periods) for layer in by_layer(run.table("answer_phase"), module)]
    return [one for one in found if one is not None] if found and None not in found else None


def counts(runs: Sequence[Run], module: str) -> tuple[dict[float, int], int]:
    """In how many of these runs some layer of "mlp" or "attn" writes each of the paper's periods and the longest wave.

    Returns:
        the count by period, and how many runs could be asked: those whose ``answer_phase`` has all of the periods.
    """
    found: dict[float, int] = {}
    measured = 0
    for run in runs:
        periods = (*SHORT, run.p - 1.0)
        layers = written(run, module, periods)
        if layers is not None:
            measured += 1
            for period in periods:
                found[period] = found.get(period, 0) + any(period in layer for layer in layers)
    return found, measured


@dataclass(frozen=True)
class Height:
    """How high a wave stands at the answer in the layer that writes most of it, beside its negative controls.

    Attributes:
        period: T.
        layer: which.
        amount: logits.
        control: the largest amount at T = 3 and 7 and at the periods that bracket T, same module, same layer.
    """

    period: float
    layer: int
    amount: float
    control: float


def heights(rows: Sequence[Row], module: str) -> list[Height]:
    """Of "mlp" or "attn": each bracketed period in the layer with the most of it; none of records without brackets."""
    best: dict[float, Height] = {}
    for layer in by_layer(rows, module):
        for row in layer:
            if row.get("bracket_amount") is None or row["period"] in MEANINGLESS:
                continue
            height = Height(row["period"], row["layer"], row["amount"], control(layer, row))
            best[height.period] = max(best.get(height.period, height), height, key=lambda height: height.amount)
    return [height for _, height in sorted(best.items())]


def by_layer(rows: Sequence[Row], module: str) -> list[list[Row]]:
    """The rows of ``answer_phase`` of each layer's "mlp" or "attn", in order."""
    layers: dict[int, list[Row]] = {}
    for row in rows:
        if row["module"] == module:
            layers.setdefault(row["layer"], []).append(row)
    return [layers[layer] for layer in sorted(layers)]


def control(layer: Sequence[Row], row: Row) -> float:
    """The largest amount of a period's negative controls, from the rows of its layer: T = 3 and 7, and its brackets."""
    meaningless = [other["amount"] for other in layer if other["period"] in MEANINGLESS]
    return max(0.0, row["bracket_amount"] or 0.0, *meaningless)


def real(row: Row) -> bool:
    """Whether a period is beyond its nulls, and aligned with the answer."""
    return bool(row["p_value"] <= LEVEL and row["alignment"] >= ALIGNED)


def written_in(layer: Sequence[Row], periods: Sequence[float]) -> dict[float, tuple[float, float]] | None:
    """The periods that one module of one layer writes, from its rows; None if it was not asked for one of them."""
    compared = beside_controls(layer, periods)
    if compared is None:
        return None
    return {t: (row["alignment"], ratio) for t, (row, ratio) in compared.items() if real(row) and ratio >= TWICE}


def beside_controls(layer: Sequence[Row], periods: Sequence[float]) -> dict[float, tuple[Row, float]] | None:
    """Each period's row of one module of one layer, and its amount over its largest negative control."""
    asked = {t: next((row for row in layer if same(row["period"], t)), None) for t in (*periods, *MEANINGLESS)}
    known = {t: row for t, row in asked.items() if row is not None}
    if len(known) < len(asked) or any("bracket_amount" not in row for row in known.values()):
        return None  # without brackets: a record of an older version
    floors = {t: control(layer, known[t]) for t in periods}
    return {t: (known[t], known[t]["amount"] / floors[t] if floors[t] else float("inf")) for t in periods}


def ratios(run: Run, module: str, periods: Sequence[float]) -> list[dict[float, float]] | None:
    """Of each layer's "mlp" or "attn": log2 of amount over controls by period, at most ``MAX_LOG2`` either way.

    At most 0, as much as the controls, where a period is not beyond its nulls or not aligned with the answer.

    Returns:
        one dictionary a layer; None as of ``written``.
    """
    layers = []
    for layer in by_layer(run.table("answer_phase"), module):
        compared = beside_controls(layer, periods)
        if compared is None:
            return None
        layers.append({t: log_ratio(row, ratio) for t, (row, ratio) in compared.items()})
    return layers or None


def log_ratio(row: Row, ratio: float) -> float:
    """log2 of a ratio within its bounds, see ``ratios``."""
    most = MAX_LOG2 if real(row) else 0.0
    return min(most, max(-MAX_LOG2, math.log2(ratio) if ratio > 0 else -MAX_LOG2))
