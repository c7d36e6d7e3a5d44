"""Which waves of the answer modules write: beyond their nulls, aligned with it, more than periods without meaning."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fourier_lightning.readings.filters import same
from fourier_lightning.readings.paper import SHORT
from fourier_lightning.record.runs import Run

LEVEL = 0.05  # of the p-value, corrected over modules and periods
ALIGNED = 0.5  # alignment from which a wave points at the answer more than it does not
TWICE = 2.0  # the least over the largest amount at the controls: a peak by heart has all periods alike, a bump all long
MOST = 4.0  # log2: 16 times the controls are as good as any more; they may be next to nothing
MEANINGLESS = (3.0, 7.0)  # negative controls: no period of decimal numbers; beside each period stand its brackets


def written(run: Run, module: str, periods: Sequence[float] = SHORT) -> list[dict[float, tuple[float, float]]] | None:
    """Of each layer's "mlp" or "attn": the periods that it writes, with alignment and amount over the controls'.

    A period is written if its p-value in ``answer_phase`` is at most 5 %, its alignment at least ``ALIGNED``, and its
    amount at least ``TWICE`` the largest of its negative controls in the same module of the same layer: T = 3 and 7,
    and the periods that bracket it.

    Returns:
        one dictionary a layer; None if the record lacks the table, one of these periods, or the controls.
    """
    found = [written_in(rows, periods) for rows in by_layer(run, module)]
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


def heights(rows: Sequence[dict[str, Any]], module: str) -> list[Height]:
    """Of "mlp" or "attn": each bracketed period in the layer with the most of it; none of records without brackets."""
    mine = [row for row in rows if row["module"] == module]
    meaningless = {
        layer: max(
            (row["amount"] for row in mine if row["layer"] == layer and row["period"] in MEANINGLESS), default=0.0
        )
        for layer in {row["layer"] for row in mine}
    }
    asked = [row for row in mine if row.get("bracket_amount") is not None and row["period"] not in MEANINGLESS]
    best: dict[float, dict[str, Any]] = {}
    for row in sorted(asked, key=lambda row: row["amount"]):
        best[row["period"]] = row
    return [
        Height(t, row["layer"], row["amount"], max(0.0, row["bracket_amount"], meaningless[row["layer"]]))
        for t, row in sorted(best.items())
    ]


def written_in(rows: Sequence[dict[str, Any]], periods: Sequence[float]) -> dict[float, tuple[float, float]] | None:
    """The periods that one module of one layer writes, from its rows; None if it was not asked for one of them."""
    compared = beside_controls(rows, periods)
    if compared is None:
        return None
    return {
        t: (row["alignment"], ratio)
        for t, (row, ratio) in compared.items()
        if row["p_value"] <= LEVEL and row["alignment"] >= ALIGNED and ratio >= TWICE
    }


def beside_controls(
    rows: Sequence[dict[str, Any]], periods: Sequence[float]
) -> dict[float, tuple[dict[str, Any], float]] | None:
    """Each period's row of one module of one layer, and its amount over the largest of its negative controls."""
    asked = {t: next((row for row in rows if same(row["period"], t)), None) for t in (*periods, *MEANINGLESS)}
    known = {t: row for t, row in asked.items() if row is not None}
    if len(known) < len(asked) or any("bracket_amount" not in row for row in known.values()):
        return None  # without brackets: a record of an older version
    meaningless = max(*(known[t]["amount"] for t in MEANINGLESS), 0.0)
    floors = {t: max(meaningless, known[t]["bracket_amount"] or 0.0) for t in periods}
    return {t: (known[t], known[t]["amount"] / floors[t] if floors[t] else float("inf")) for t in periods}


def ratios(run: Run, module: str, periods: Sequence[float]) -> list[dict[float, float]] | None:
    """Of each layer's "mlp" or "attn": log2 of amount over controls by period, between -``MOST`` and ``MOST``.

    At most 0, as much as the controls, where a period is not beyond its nulls or not aligned with the answer.

    Returns:
        one dictionary a layer; None as of ``written``.
    """
    layers = []
    for rows in by_layer(run, module):
        compared = beside_controls(rows, periods)
        if compared is None:
            return None
        layers.append({t: times(row, ratio) for t, (row, ratio) in compared.items()})
    return layers or None


def times(row: dict[str, Any], ratio: float) -> float:
    """log2 of a ratio within its bounds, see ``ratios``."""
    real = row["p_value"] <= LEVEL and row["alignment"] >= ALIGNED
    return min(MOST if real else 0.0, max(-MOST, math.log2(ratio) if ratio > 0 else -MOST))


def by_layer(run: Run, module: str) -> list[list[dict[str, Any]]]:
    """The rows of each layer's "mlp" or "attn", in order."""
    layers: dict[int, list[dict[str, Any]]] = {}
    for row in run.table("answer_phase"):
        if row["module"] == module:
            layers.setdefault(row["layer"], []).append(row)
    return [layers[layer] for layer in sorted(layers)]
