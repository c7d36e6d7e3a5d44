"""Which number tables are one and the same: seeds that share a frozen table are not as many tables."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from fourier_lightning.record.runs import Run

T = TypeVar("T")
ALIKE = 1e-3  # of the largest product of two rows: what rounding and a rotation leave


def distinct(found: Sequence[tuple[Run, T]]) -> list[tuple[Run, T]]:
    """Of runs with something beside each, the first of every table: by the rows' inner products.

    These stay when a table is rotated or scaled as a whole. A record without the rows counts as a table of its own if
    it was trained, and as its backbone's if it was not.
    """
    kept: list[tuple[Run, T]] = []
    seen: list[np.ndarray | str] = []
    for run, value in found:
        mine = products(run)
        if not any(same_table(mine, other) for other in seen):
            kept.append((run, value))
            seen.append(mine)
    return kept


def products(run: Run) -> np.ndarray | str:
    """Inner products (p, p) of the centred number rows, the largest 1; without an array, a name for the table."""
    rows = run.array("number_embedding")
    if rows is None:
        untouched = run.arm.intact and (run.arm.frozen or not run.arm.trained)
        return str(run.config["backbone"]["name"]) if untouched else str(run.dir)
    rows = rows.astype(float) - rows.mean(axis=0)
    found = rows @ rows.T
    return found / max(float(np.abs(found).max()), 1e-300)


def same_table(one: np.ndarray | str, other: np.ndarray | str) -> bool:
    """Whether two of ``products`` are of one table."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one == other
    return one.shape == other.shape and bool(np.abs(one - other).max() <= ALIKE)
