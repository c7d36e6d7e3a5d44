"""Numbers that decide the paper's claims, each from one run's record (and for a contrast, its peers').

A measure returns None where the record can't say: no number, no verdict.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fourier_lightning.readings import learning
from fourier_lightning.readings.filters import ADDS
from fourier_lightning.record.runs import Run


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


def metric(name: str) -> Measure:
    """A final metric, e.g. "test/accuracy": a proportion of that split's rows."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        value = run.metrics.get(name)
        rows = run.info.get("rows", {}).get(name.split("/")[0])
        return None if value is None else Measured(value, n=rows)

    return measure


def near_misses(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Share of the wrong test answers that are within 2 (figure 23)."""
    found = learning.near_misses(run)
    if found is None:
        return None
    share, wrong, rows = found
    return Measured(share, n=wrong, detail=f"{wrong} errors of {rows}")


def lens_gap(run: Run, peers: Sequence[Run]) -> Measured | None:
    """Largest gap between "within 10" and exact below the last layer, of a model that ends exact (figure 1a)."""
    found = learning.near_before_exact(run)
    if found is None:
        return None
    best, last = found
    if last["accuracy"] < ADDS:
        return Measured(0.0, blunt="the model does not add", detail=f"{last['accuracy']:.0%} exact at its end")
    return Measured(best["within_10"] - best["accuracy"], detail=f"after layer {best['layer']} {best['after']}")


def matching(run: Run, peers: Sequence[Run], arm: str) -> list[Run]:
    """Runs of another arm (its key) on the same task and share of the pairs, of the same seed where there is one."""

    def asked(one: Run) -> list[object]:
        return [one.task, *(one.config["data"].get(key) for key in ("templates", "train_fraction", "pairs"))]

    same_task = [peer for peer in peers if peer.arm.key == arm and asked(peer) == asked(run)]
    return [peer for peer in same_task if peer.seed == run.seed] or same_task


def body(run: Run) -> tuple[str, ...]:
    """What else a contrast of arms should have in common: sizes, optimizer, epochs."""
    model, optimizer = run.config["model"], run.config["optimizer"]
    parts = (model["body"], model["n_layer"], model["width"], optimizer["lr"], run.config["trainer"].get("max_epochs"))
    return tuple(map(str, parts))


def advantage(arm: str) -> Measure:
    """Test accuracy less that of another arm (its key) on the same task and data."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        others = [p.metrics["test/accuracy"] for p in matching(run, peers, arm) if "test/accuracy" in p.metrics]
        mine = run.metrics.get("test/accuracy")
        if mine is None or not others:
            return None
        detail = f"{mine:.2%} against {float(np.mean(others)):.2%}"
        bodies = {body(peer) for peer in matching(run, peers, arm)} - {body(run)}
        return Measured(
            mine - float(np.mean(others)), detail=f"{detail}{', of another body or recipe' if bodies else ''}"
        )

    return measure


def speed(arm: str, level: float = ADDS) -> Measure:
    """Epochs to an accuracy of ``level``, over another arm's (its key; over all epochs, if that never does)."""

    def measure(run: Run, peers: Sequence[Run]) -> Measured | None:
        mine, length = learning.epochs_to(run, level)
        others = [learning.epochs_to(peer, level) for peer in matching(run, peers, arm)]
        others = [(reached, total) for reached, total in others if total > 1]
        if length < 2 or not others or (mine is None and all(reached is None for reached, _ in others)):
            return None
        if mine is None:
            return Measured(1.0, detail=f"never reaches {level:.0%}")
        theirs = float(np.mean([reached or total for reached, total in others]))
        never = all(reached is None for reached, _ in others)
        told = f"the other never in {theirs:g}" if never else f"the other {theirs:g}"
        return Measured(mine / theirs, detail=f"{mine} epochs; {told}")

    return measure
