"""Numbers that decide the paper's claims, each from one run's record (and for a contrast, its peers').

A measure returns None where the record can't say: no number, no verdict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fourier_lightning.readings import answers, learning
from fourier_lightning.readings.filters import ADDS
from fourier_lightning.readings.words import p_value
from fourier_lightning.record.runs import Run

EXACT = 1_000_000  # draws that say as much as an exact distribution
REACH = 1.96


@dataclass(frozen=True)
class Measured:
    """One run's number.

    Attributes:
        value: what is tested.
        control: the same of the control, mean over its draws; None if there is none, or if it is in the value already
            (a p-value, a difference).
        control_std: sample standard deviation over its draws, in the value's units; None where it has none.
        draws: of the control.
        n: examples that a proportion is of; None for anything else.
        tested: whether the number counts what passed tests of its own (nulls, corrected): then seeds agree or don't.
        blunt: why a number on the wrong side would say nothing here; "" if it would.
        incomparable: why the number can't decide anything here, whichever side it is on; "" if it can.
        detail: what a reader should know of how it came about.
    """

    value: float
    control: float | None = None
    control_std: float | None = None
    draws: int = 0
    n: int | None = None
    tested: bool = False
    blunt: str = ""
    incomparable: str = ""
    detail: str = ""


Measure = Callable[[Run, Sequence[Run]], Measured | None]


def examples(run: Run, split: str) -> int | None:
    """How many rows of a split the metrics of a run are of; None if its record does not say."""
    count: int | None = run.info.get("rows", {}).get(split)
    return count


def metric(name: str) -> Measure:
    """A final metric, e.g. "test/accuracy": a proportion of that split's rows."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        value = run.metrics.get(name)
        return None if value is None else Measured(value, n=examples(run, name.split("/")[0]))

    return measure


def near_misses(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of the wrong test answers that are within 2 (figure 23); if a model can add at all."""
    found = learning.near_misses(run)
    if found is None:
        return None
    share, wrong, rows = found
    return Measured(share, n=wrong, incomparable=learning.without_mechanism(run), detail=f"{wrong} errors of {rows}")


def lens_gap(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Largest gap between "within 10" and exact below the last layer, of a model that ends exact (figure 1a)."""
    found = learning.near_before_exact(run)
    if found is None:
        return None
    best, last = found
    if last["accuracy"] < ADDS:
        return Measured(0.0, blunt="the model does not add", detail=f"{last['accuracy']:.0%} exact at its end")
    return Measured(best["within_10"] - best["accuracy"], detail=f"after layer {best['layer']} {best['after']}")


def tens_in_answers(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of a prompted model's errors that are multiples of ten; control: errors of the same sizes by chance."""
    row = answers.summary(run)
    if row is None or row["share"] is None:
        return None
    deviation = (row["expected_high"] - row["expected_low"]) / (2 * REACH)
    detail = (
        f"{row['errors']} errors of {row['prompts']} answers, {row['accuracy']:.0%} right; {p_value(row['p_value'])}"
    )
    return Measured(row["share"], row["expected"], deviation, EXACT, row["errors"], detail=detail)
