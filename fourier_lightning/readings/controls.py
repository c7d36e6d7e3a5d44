"""A filter's row beside random directions: what outlives what, and whether the controls leave anything to tell.

What counts is what stays and what goes: without long waves the residue should outlive the size, without short ones the
size the residue, and more so than without as much of random directions (controls of equal energy). Both count beyond
luck: on a short number line a third of all guesses are within 10, and a tenth is right modulo 10.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fourier_lightning.readings.luck import beyond_luck, luck
from fourier_lightning.readings.seeds import t_reach

Row = dict[str, Any]
APART = 0.1  # what stays outlives what goes by this much, beyond the control
ALIKE = 0.05  # shares of the answers that differ by less are called alike
WHOLE = 0.8  # of the power of what modules write: random directions that hold more leave nothing of them
CONTROLS = {"energy": "control_energy", "rank": "control"}
STAYS = {"low": ("mod_10", "within_10"), "high": ("within_10", "mod_10")}  # what outlives what without these waves


def fair_control(row: Row | None, *names: str) -> bool:
    """Whether a row has these metrics under controls of equal energy."""
    return row is not None and all(row.get(f"control_energy_{name}_mean") is not None for name in names)


def equal(row: Row) -> str:
    """What a filter's fair control has as much of: "energy", or "rank" where the filter takes all but everything.

    Random directions that hold all that a module writes are the whole of it: taking them is no other thing than the
    filter, and tells nothing.
    """
    return "energy" if row["energy"] <= WHOLE else "rank"


def unlike(row: Row, p: int) -> str:
    """Why a filter can't tell anything, "" if it can: its own reason, or that none of its controls leaves anything."""
    if row.get("comparable"):
        return str(row["comparable"])
    blind = (row.get("energy") or 0.0) > WHOLE and row["rank"] > WHOLE * (p - 1)  # early records have no energy
    return f"it takes {row['energy']:.0%} of what these modules write, as any control would" if blind else ""


def controlled(row: Row, name: str, stat: str = "mean") -> float:
    """A metric under the fair control, mean or standard deviation over its draws."""
    return float(row.get(f"{CONTROLS[equal(row)]}_{name}_{stat}") or 0.0)


def gap(row: Row, removed: str, p: int) -> float:
    """How much more often what should stay is right than what should go, both beyond luck."""
    stays, goes = (beyond_luck(row[name], name, p) for name in STAYS[removed])
    return stays - goes


def noise(row: Row, *names: str) -> float:
    """Standard deviation of a difference of metrics over the control's draws, as if they were unrelated."""
    return float(np.hypot.reduce([controlled(row, name, "std") for name in names]))


def opening(intact: Row, row: Row, removed: str, p: int) -> float:
    """How far what stays outlives what goes: beyond a gap of the whole model, and what a fair control opens of it.

    A gap of the whole model the other way is no credit: both may be lost, and the gap closed.
    """
    stays, goes = (beyond_luck(controlled(row, name), name, p) for name in STAYS[removed])
    whole = max(0.0, gap(intact, removed, p))
    return gap(row, removed, p) - whole - max(0.0, stays - goes - whole)


def opening_noise(row: Row, removed: str, p: int) -> float:
    """Standard deviation of the same over the control's draws."""
    return float(np.hypot.reduce([controlled(row, name, "std") / (1 - luck(name, p)) for name in STAYS[removed]]))


def draw_reach(spreads: Sequence[tuple[float, int]]) -> float:
    """How far one more draw of a control may lie from the mean of its draws, at 95 %; 0 without a spread.

    What is tested could be such a draw, if its waves meant nothing. The draws are the same for all seeds, so that more
    seeds don't narrow it; their deviations are pooled.

    Args:
        spreads: of each seed, the standard deviation over the draws and how many they are.
    """
    several = [(std, draws) for std, draws in spreads if draws > 1]
    if not several:
        return 0.0
    freedom = [draws - 1 for _, draws in several]
    variance = float(np.average([std**2 for std, _ in several], weights=freedom))
    draws = min(draws for _, draws in several)
    return t_reach(sum(freedom)) * float(np.sqrt(variance * (1 + 1 / draws)))


def against_control(rows: Sequence[Row], name: str) -> int:
    """1 if a metric is higher under a filter than under its fair control, -1 if it is lower, 0 if that can't be told.

    Higher or lower: by more than ``ALIKE``, and by more than one more draw of the control may lie from their mean.

    Args:
        rows: the filter's, of each seed.
        name: of the metric.
    """
    apart = float(np.mean([row[name] - controlled(row, name) for row in rows]))
    reach = draw_reach([(controlled(row, name, "std"), row["control_draws"]) for row in rows])
    return int(np.sign(apart)) if abs(apart) > max(ALIKE, reach) else 0
