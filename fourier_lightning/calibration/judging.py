"""The ledger's rules on models whose mechanism is known: how often they are right, wrong, or say nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fourier_lightning.calibration.cases import Kind
from fourier_lightning.calibration.measure import data_of, measure, settings
from fourier_lightning.calibration.truth import holds
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import Claim, judge
from fourier_lightning.readings.seeds import wilson
from fourier_lightning.record.runs import Run, label_runs

DECIDED = {"supported": True, "not here": False}
CALLS = ("right", "wrong", "nothing")


@dataclass(frozen=True)
class Said:
    """What a claim's rule said of one case.

    Attributes:
        claim, case: names of the claim and of the kind of model.
        truth: whether the fact that the claim asserts is true of it.
        outcome: of the verdict.
        value, control, why: of the verdict.
    """

    claim: str
    case: str
    truth: bool
    outcome: str
    value: float | None
    control: float | None
    why: str

    @property
    def call(self) -> str:
        """``right``, ``wrong``, or ``nothing``."""
        decided = DECIDED.get(self.outcome)
        return "nothing" if decided is None else ("right" if decided == self.truth else "wrong")


def try_kinds(kinds: Sequence[Kind]) -> Iterator[list[Said]]:
    """What every claim's rule says of each kind of model, one kind after the other."""
    cfg = settings()
    data = data_of(cfg)
    for kind in kinds:
        with TemporaryDirectory() as folder:
            dirs = [Path(folder) / str(seed) for seed in range(kind.seeds)]
            runs = [measure(kind.make(seed), seed, cfg, data, run_dir) for seed, run_dir in enumerate(dirs)]
            label_runs(runs)
            yield [said for claim in CLAIMS if (said := ask(claim, kind, runs)) is not None]


def ask(claim: Claim, kind: Kind, runs: Sequence[Run]) -> Said | None:
    """What a claim's rule says of models of one kind; None where there is no truth to hold it against."""
    truth = holds(claim.fact, kind.facts) if claim.fact and claim.measure else None
    if truth is None:
        return None
    # Whatever models the claim is about; nameless, so that what is known of its errors does not keep it from judging.
    (verdict,) = judge(replace(claim, name="", of=lambda run: True), runs)
    return Said(claim.name, kind.name, truth, verdict.outcome, verdict.value, verdict.control, verdict.why)


def rows_of(said: Sequence[Said]) -> list[dict[str, Any]]:
    """A row for each claim: what ``claims.calibrated`` reads.

    Returns:
        claim, fact, models (cases whose truth is known), right, wrong, nothing, low and high (95 % interval of the
        share that is wrong), wrong_in and nothing_in (cases).
    """
    rows = []
    for claim in CLAIMS:
        mine = [one for one in said if one.claim == claim.name]
        if not mine:
            continue
        counts = {call: sum(one.call == call for one in mine) for call in CALLS}
        low, high = wilson(counts["wrong"] / len(mine), len(mine))
        cases = {f"{call}_in": [one.case for one in mine if one.call == call] for call in CALLS[1:]}
        row = {"claim": claim.name, "fact": claim.fact, "models": len(mine), **counts}
        rows.append({**row, "low": round(low, 3), "high": round(high, 3), **cases})
    return rows
