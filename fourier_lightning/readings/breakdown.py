"""Where a model errs: accuracy by carries and by size, from the table ``breakdown``."""

from typing import Any, Literal

from fourier_lightning.record.runs import Run

FEWEST = 20  # examples, without which a kind of question says too little


def kinds(run: Run, by: Literal["carries", "answer", "operand"]) -> list[dict[str, Any]]:
    """Rows by number of carries, by the answer's size or by the largest operand's, the least first."""
    return sorted((row for row in run.table("breakdown") if row["by"] == by), key=lambda row: row["low"])


def spread(run: Run, by: Literal["carries", "answer", "operand"]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The kinds of ``FEWEST`` examples and more that are right most and least often; None if there are no two."""
    rows = [row for row in kinds(run, by) if row["examples"] >= FEWEST]
    if len(rows) < 2:
        return None
    return max(rows, key=lambda row: row["accuracy"]), min(rows, key=lambda row: row["accuracy"])
