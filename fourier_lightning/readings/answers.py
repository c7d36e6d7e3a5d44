"""What a prompted model's answers say: how often they are right, and whether errors are multiples of ten."""

from collections.abc import Mapping
from typing import Any

from fourier_lightning.readings.words import p_value
from fourier_lightning.record.runs import Run


def summary(run: Run) -> dict[str, Any] | None:
    """The row of ``answer_summary``; None if the record has none."""
    rows = run.table("answer_summary")
    return rows[0] if rows else None


def in_words(row: Mapping[str, Any]) -> str:
    """A row of ``answer_summary`` in two sentences."""
    right = f"{100 * row['accuracy']:.1f} % [{100 * row['accuracy_low']:.1f}, {100 * row['accuracy_high']:.1f}]"
    said = f"{right} of {row['prompts']:,} answers are right, {100 * row['unread']:.1f} % mean no number. "
    if row["share"] is None:
        return f"{said}No number is wrong."
    share = f"{100 * row['share']:.1f} % [{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    chance = f"{100 * row['expected']:.1f} % [{100 * row['expected_low']:.1f}, {100 * row['expected_high']:.1f}]"
    return (
        f"{said}{share} of {row['errors']:,} errors are multiples of 10; errors of these sizes would be by chance in "
        f"{chance} ({p_value(row['p_value'])})."
    )
