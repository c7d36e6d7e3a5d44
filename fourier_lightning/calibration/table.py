"""The calibration as a table: in the terminal, and in docs/calibration.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from fourier_lightning.calibration.judging import Said, by_mechanism, rules
from fourier_lightning.claims.calibrated import ERRS, rate
from fourier_lightning.terminal import terminal

Row = Mapping[str, Any]
COLUMNS = (
    "claim",
    "right where true",
    "right where false",
    "wrong",
    "wrong of those decided [95 %]",
    "kinds: right, wrong, not decided",
)


def cells(row: Row) -> list[str]:
    """A claim's row as texts, in the order of ``COLUMNS``: mechanisms, then their kinds."""
    power = [f"{row[f'right_{side}']} of {row[side]}" for side in ("true", "false")]
    wrong = "-" if rate(row) is None else f"{rate(row):.0%} [{row['low']:.0%}, {row['high']:.0%}]"
    kinds = ", ".join(str(row[f"kinds_{call}"]) for call in ("right", "wrong", "nothing"))
    return [row["claim"], *power, str(row["wrong"]), wrong, kinds]


def print_rows(rows: Sequence[Row]) -> None:
    """The table in the terminal; claims whose rule errs too often are marked."""
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*cells(row), style="red" if (rate(row) or 0) > ERRS else "")
    terminal().print(table)


def markdown(rows: Sequence[Row]) -> str:
    """The same in Markdown, with the kinds in which a rule was wrong."""
    lines = [f"| {' | '.join([*COLUMNS, 'fact', 'wrong in'])} |", f"|{' --- |' * (len(COLUMNS) + 2)}"]
    for row in rows:
        fact, wrong = f"`{row['fact']}`", "; ".join(row["wrong_in"]) or "-"
        lines.append(f"| {' | '.join([*cells(row), fact, wrong])} |")
    return "\n".join([*lines, ""])


def summary(said: Sequence[Said]) -> str:
    """All rules together, each once, mechanism by mechanism; without kinds that the rules were made with."""
    counted = [call for call in rules(said) if not call.tuned]
    names = {call.claim for call in counted}
    calls = [item for name in names for item in by_mechanism([c for c in counted if c.claim == name]).items()]
    wrong = sum(call == "wrong" for _, call in calls)
    power = [[call == "right" for (_, truth), call in calls if truth is side] for side in (True, False)]
    right = " and ".join(
        f"{sum(part)} of {len(part)} where {side}" for part, side in zip(power, ("true", "false"), strict=True)
    )
    return f"{len(names)} rules; right in {right}; wrong in {wrong} of {sum(map(sum, power)) + wrong} decided"
