"""How often each claim's rule errs on models whose mechanism is known (``fourier-lightning calibrate``)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fourier_lightning.record.files import read_jsonl

CALIBRATION = Path(__file__).with_name("calibration.jsonl")
ERRS = 0.05  # a rule that is wrong more often decides nothing
FEWEST = 5  # mechanisms that a rule has to decide, without which a rate says too little


def error_rate(claim: str) -> float | None:
    """Share of the known mechanisms, of those that it decided, that a claim's rule was wrong about; None if unknown.

    Without a rate a claim about a mechanism or a table is "not comparable" (``verdict.outcome_of``).

    Read from the committed rows of ``calibration.jsonl`` (``calibration.judging.rows_of``).

    Args:
        claim: its name.
    """
    return rates(CALIBRATION).get(claim)


def tried(claim: str) -> dict[str, Any] | None:
    """The committed row of a claim's rule; None if it was never tried."""
    return next((row for row in _rows(CALIBRATION) if row["claim"] == claim), None)


@cache
def _rows(path: Path) -> list[dict[str, Any]]:
    """The file's rows; none of a file that is not there."""
    return read_jsonl(path) if path.is_file() else []


@cache
def rates(path: Path) -> dict[str, float]:
    """Error rates by claim, of those that decided enough mechanisms; none of a file that is not there."""
    return {row["claim"]: rate(row) or 0.0 for row in _rows(path) if decided(row) >= FEWEST}


def decided(row: Mapping[str, Any]) -> int:
    """How many mechanisms a rule decided, rightly or not."""
    return row["right_true"] + row["right_false"] + row["wrong"]


def rate(row: Mapping[str, Any]) -> float | None:
    """Share of these that it was wrong about; None of none."""
    count = decided(row)
    return row["wrong"] / count if count else None
