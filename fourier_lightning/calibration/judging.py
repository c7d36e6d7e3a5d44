"""The ledger's rules on models whose mechanism is known: how often they are right, wrong, or say nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from omegaconf import DictConfig

from fourier_lightning.calibration.cases import Kind
from fourier_lightning.calibration.measure import data_of, measure, settings
from fourier_lightning.calibration.trained import Checked
from fourier_lightning.calibration.truth import holds
from fourier_lightning.claims.ledger import CLAIMS
from fourier_lightning.claims.verdict import Claim, judge
from fourier_lightning.data.datamodule import ArithmeticDataModule
from fourier_lightning.readings.seeds import wilson
from fourier_lightning.record.runs import Run, label_runs, read_run

DECIDED = {"supported": True, "not here": False}
CALLS = ("right", "wrong", "nothing")


@dataclass(frozen=True)
class Said:
    """What a claim's rule said of one case.

    Attributes:
        claim, case: names of the claim and of the kind of model.
        trained: whether these models were trained to their mechanism.
        truth: whether the fact that the claim asserts is true of it.
        outcome: of the verdict.
        value, control, why: of the verdict.
    """

    claim: str
    case: str
    trained: bool
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


def try_kinds(kinds: Sequence[Kind], records: Path | None = None) -> Iterator[tuple[list[Said], str]]:
    """What every claim's rule says of each kind of model, one kind after the other, and why nothing, if so.

    Of models that are not shown to have the mechanism that they were trained to, no rule can be right or wrong.

    Args:
        kinds: of models.
        records: where to keep their records; what is there already is judged as it is. None to keep nothing.
    """
    sizes = {most: settings(most) for most in {kind.max_operand for kind in kinds}}
    tasks = {most: data_of(cfg) for most, cfg in sizes.items()}
    for kind in kinds:
        cfg, data = sizes[kind.max_operand], tasks[kind.max_operand]
        with TemporaryDirectory() as passing:
            folder = (records or Path(passing)) / kind.name.replace(", ", "-").replace(" ", "_")
            runs = []
            for seed in kind.seeds:
                kept = read_run(folder / str(seed))
                found = kept.status == "finished"
                runs.append(kept if found else look(kind, seed, cfg, data, folder / str(seed)))
            label_runs(runs)
            checks = [Checked(**row) for run in runs if (row := run.info.get("checked"))]
            told = ", ".join(f"{one.exchanged:.0%} exchanged, {one.followed:.0%} followed" for one in checks)
            unknown = "" if all(one.known for one in checks) else f"its mechanism is not known ({told}): not counted"
            yield [said for claim in CLAIMS if not unknown and (said := ask(claim, kind, runs))], unknown or told


def look(kind: Kind, seed: int, cfg: DictConfig, data: ArithmeticDataModule, run_dir: Path) -> Run:
    """Make a model of a kind, and look at it with every instrument."""
    net = kind.make(seed)
    return measure(net, seed, cfg, data, run_dir, kind.check(net))


def ask(claim: Claim, kind: Kind, runs: Sequence[Run]) -> Said | None:
    """What a claim's rule says of models of one kind; None where there is no truth to hold it against."""
    truth = holds(claim.fact, kind.facts) if claim.fact and claim.measure else None
    if truth is None:
        return None
    # Whatever models the claim is about, and as if its rule had never erred: that is what is asked here.
    (verdict,) = judge(replace(claim, of=lambda run: True), runs, rate=0.0)
    found = verdict.outcome, verdict.value, verdict.control, verdict.why
    return Said(claim.name, kind.name, kind.trained, truth, *found)


def rows_of(said: Sequence[Said]) -> list[dict[str, Any]]:
    """A row for each claim: what ``claims.calibrated`` reads.

    Returns:
        claim, fact, models (cases whose truth is known), right, wrong, nothing, low and high (95 % interval of the
        share that is wrong), right_true and right_false (of the right ones, how often the claim was true, and false),
        trained and trained_wrong (how many of the cases, and of the wrong ones, were trained), wrong_in and
        nothing_in (cases).
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
        trained = [one.call for one in mine if one.trained]
        right = [one.truth for one in mine if one.call == "right"]
        row |= {"low": round(low, 3), "high": round(high, 3)}
        row |= {"right_true": right.count(True), "right_false": right.count(False)}
        rows.append({**row, "trained": len(trained), "trained_wrong": trained.count("wrong"), **cases})
    return rows
