"""The calibration as a table: in the terminal, and in docs/calibration.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from fourier_lightning.claims.calibrated import ERRS
from fourier_lightning.terminal import terminal

Row = Mapping[str, Any]
COLUMNS = (
    "claim",
    "cases",
    "right if true",
    "right if false",
    "wrong",
    "not at all",
    "error rate [95 %]",
    "wrong of built",
    "wrong of trained",
)


def cells(row: Row) -> list[str]:
    """A claim's row as texts, in the order of ``COLUMNS``: the rate is of built and trained models together."""
    rate = f"{row['wrong'] / row['models']:.0%} [{row['low']:.0%}, {row['high']:.0%}]"
    built = f"{row['wrong'] - row['trained_wrong']} of {row['models'] - row['trained']}"
    apart = [built, f"{row['trained_wrong']} of {row['trained']}"]
    counts = ("models", "right_true", "right_false", "wrong", "nothing")
    return [row["claim"], *(str(row[key]) for key in counts), rate, *apart]


def print_rows(rows: Sequence[Row]) -> None:
    """The table in the terminal; claims whose rule errs too often are marked."""
    table = Table(*COLUMNS, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*cells(row), style="red" if row["wrong"] > ERRS * row["models"] else "")
    terminal().print(table)


def markdown(rows: Sequence[Row]) -> str:
    """The same in Markdown, with the cases in which a rule was wrong."""
    lines = [f"| {' | '.join([*COLUMNS, 'fact', 'wrong in'])} |", f"|{' --- |' * (len(COLUMNS) + 2)}"]
    for row in rows:
        fact, wrong = f"`{row['fact']}`", "; ".join(row["wrong_in"]) or "-"
        lines.append(f"| {' | '.join([*cells(row), fact, wrong])} |")
    return "\n".join([*lines, ""])
