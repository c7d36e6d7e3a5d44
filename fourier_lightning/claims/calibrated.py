"""How often each claim's rule errs on models whose mechanism is known (``fourier-lightning calibrate``)."""

from functools import cache
from pathlib import Path
from typing import Any

from fourier_lightning.record.files import read_jsonl

CALIBRATION = Path(__file__).with_name("calibration.jsonl")
ERRS = 0.05  # a rule that is wrong more often decides nothing
FEWEST = 20  # models, without which a rate says too little


def error_rate(claim: str) -> float | None:
    """Share of the models of known mechanism in which a claim's rule said the wrong thing; None if that is not known.

    Without a rate a claim about a mechanism or a table is "not comparable" (``verdict.outcome_of``).

    Read from the committed rows of ``calibration.jsonl``: ``claim``, ``models`` and ``wrong``.

    Args:
        claim: its name.
    """
    return rates(CALIBRATION).get(claim)


def tried(claim: str) -> dict[str, Any] | None:
    """The committed row of a claim's rule: models, right, wrong, nothing, low and high; None if it was never tried."""
    return next((row for row in _rows(CALIBRATION) if row["claim"] == claim), None)


@cache
def _rows(path: Path) -> list[dict[str, Any]]:
    """The file's rows; none of a file that is not there."""
    return read_jsonl(path) if path.is_file() else []


@cache
def rates(path: Path) -> dict[str, float]:
    """Error rates by claim, of those that were tried on enough models; none of a file that is not there."""
    return {row["claim"]: row["wrong"] / row["models"] for row in _rows(path) if row["models"] >= FEWEST}
