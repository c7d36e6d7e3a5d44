"""What filters do to an arm, beside as much of random directions gone: rows of Table 1, and waves out of the input."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from fourier_lightning.readings import filters
from fourier_lightning.readings.controls import (
    APART,
    STAYS,
    Row,
    against_control,
    controlled,
    draw_reach,
    equal,
    fair_control,
    opening,
    opening_noise,
    unlike,
)
from fourier_lightning.readings.filters import ADDS, HARMLESS
from fourier_lightning.record.runs import Run

TOLD = (("mlp", "low"), ("attn", "low"), ("mlp", "high"), ("attn", "high"))  # rows of Table 1 that a summary speaks of
ENTERING = ("low", "short")  # what it speaks of that is removed from the operands' input rows
KEPT = {
    "low": "the last digit survives, the magnitude is lost",
    "high": "the magnitude survives, the last digit is lost",
}
OFTEN = {1: "more often", 0: "as often", -1: "less often"}
DAMAGE = {1: "less damaging than random directions", 0: "as damaging as random directions",
          -1: "more damaging than random directions"}  # fmt: skip


class Scores(NamedTuple):
    """Shares of the answers that are exact, right modulo 10, at most 10 off."""

    accuracy: float
    mod_10: float
    within_10: float


@dataclass(frozen=True)
class Effect:
    """What a filter does to an arm: means over its seeds.

    Attributes:
        modules: "attn", "mlp", "attn_mlp": filtered in the flow; "input": in the operands' input rows alone.
        removed: "low", "high" or "short" waves.
        method: of a filter in the flow; "" at the input, where there is none to choose.
        energy: share of what the modules (the operands) hold that goes; None in early records.
        found: with the filter.
        control: with as much of random directions gone; None where that was not measured.
        equal: what the control has as much of: "energy", or "rank" where the filter takes all but everything; "".
        reading: what these numbers mean, in words.
    """

    modules: str
    removed: str
    method: str
    energy: float | None
    found: Scores
    control: Scores | None
    equal: str
    reading: str


def effects(runs: Sequence[Run]) -> list[Effect]:
    """What waves out of the input, and the filters of Table 1, do to an arm's seeds; nothing if it does not add.

    Table 1 by the method that all the seeds have.
    """
    method = filters.method_of(*runs)
    entering = [(run, {("input", name): row for name, row in input_rows(run).items()}) for run in runs]
    flow = [(run, filters.table_1(run, method)) for run in runs]
    return [*told(entering, "input", [("input", name) for name in ENTERING], ""), *told(flow, "none", TOLD, method)]


def intact(runs: Sequence[Run]) -> Scores | None:
    """The same of the whole model, mean over the seeds that have a row of it."""
    rows = [row for run in runs if (row := filters.row_of(run, "none", "none") or input_rows(run).get("none"))]
    return Scores(*(float(np.mean([row[name] for row in rows])) for name in Scores._fields)) if rows else None


def input_rows(run: Run) -> dict[str, Row]:
    """Rows of ``input_waves`` by what is removed, single periods apart: on the line that the operands' tokens are on.

    That is "operands" where it is another than the answers'.
    """
    rows = [row for row in run.table("input_waves") if row["removed"] != "period"]
    own = [row for row in rows if row["line"] == "operands"]
    return {row["removed"]: row for row in own or rows}


def told(
    tables: Sequence[tuple[Run, dict[tuple[str, str], Row]]], whole: str, keys: Sequence[tuple[str, str]], method: str
) -> list[Effect]:
    """The effects of some filters, from each seed's rows by (modules, removed); ``whole`` names the unfiltered row."""
    seeds = [(run, table[whole, "none"], table) for run, table in tables if (whole, "none") in table]
    if not seeds or np.mean([intact["accuracy"] for _, intact, _ in seeds]) < ADDS:
        return []
    found = []
    for key in keys:
        mine = [(run, intact, table[key]) for run, intact, table in seeds if key in table]
        found += [effect(*key, method, mine)] if mine else []
    return found


def effect(modules: str, removed: str, method: str, seeds: Sequence[tuple[Run, Row, Row]]) -> Effect:
    """One filter's effect, from (run, unfiltered row, filter's row) of each seed."""
    rows = [row for _, _, row in seeds]
    fair = all(fair_control(row, *Scores._fields) for row in rows)
    return Effect(
        modules, removed, method,
        energy=filters.mean([row["energy"] for row in rows if row.get("energy") is not None]),
        found=Scores(*(float(np.mean([row[name] for row in rows])) for name in Scores._fields)),
        control=Scores(*(float(np.mean([controlled(row, name) for row in rows])) for name in Scores._fields))
        if fair else None,
        equal=" or ".join(sorted({equal(row) for row in rows})) if fair else "",
        reading=reading(seeds, fair),
    )  # fmt: skip


def reading(seeds: Sequence[tuple[Run, Row, Row]], fair: bool) -> str:
    """What a filter's rows mean, beside random directions of equal energy.

    That one thing survives and the other is lost is said where both are beyond the control: what survives is right more
    often than under random directions, what is lost less often, and the gap between them is wide by the ledger's bound.

    Args:
        seeds: (run, unfiltered row, filter's row) of each.
        fair: whether the rows have controls for it.
    """
    rows = [row for _, _, row in seeds]
    intact, accuracy = (float(np.mean([one[at]["accuracy"] for one in seeds])) for at in (1, 2))
    whys = [why for run, _, row in seeds if fair and (why := unlike(row, run.p))]
    if whys:
        return f"not comparable: {whys[0]}"
    if accuracy >= HARMLESS * intact:
        return "harmless"
    if not fair:
        return "damaging; no control of equal energy was measured"
    apart = {name: against_control(rows, name) for name in ("mod_10", "within_10")}
    for band, words in KEPT.items():
        survives, lost = (apart[name] for name in STAYS[band])
        if survives > 0 > lost and wide(seeds, band):
            return words
    digit, magnitude = apart.values()
    if digit == magnitude:
        return DAMAGE[digit or against_control(rows, "accuracy")]
    often = f"the last digit is right {OFTEN[digit]} and the magnitude {OFTEN[magnitude]}"
    return f"compared with random directions, {often}"


def wide(seeds: Sequence[tuple[Run, Row, Row]], band: str) -> bool:
    """Whether what should survive without a band outlives what should go, beyond the spread of the control's draws."""
    gap = float(np.mean([opening(whole, row, band, run.p) for run, whole, row in seeds]))
    reach = draw_reach([(opening_noise(row, band, run.p), row["control_draws"]) for run, _, row in seeds])
    return gap - reach >= APART
