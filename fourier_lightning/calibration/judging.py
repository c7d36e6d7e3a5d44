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
        claim, case, mechanism: names of the claim, of the kind of model, and of its mechanism.
        tuned: whether the rules were made with models of this kind.
        truth: whether the fact that the claim asserts is true of it.
        outcome: of the verdict.
        value, control, why: of the verdict.
    """

    claim: str
    case: str
    mechanism: str
    tuned: bool
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
    return Said(claim.name, kind.name, kind.of.mechanism, kind.tuned, truth, *found)


def rows_of(said: Sequence[Said]) -> list[dict[str, Any]]:
    """A row for each claim: what ``claims.calibrated`` reads.

    What counts are mechanisms, not the kinds and seeds that differ in size and noise alone: a mechanism is wrong if its
    rule is wrong in any of its kinds, right if it is right in some and wrong in none. Where it says nothing that is
    want of power, and no part of the error rate. Kinds that the rules were made with (``cases.TUNED``) are left out.

    Returns:
        claim; fact; true, false (mechanisms of which the claim is true, and false); right_true, right_false and wrong
        (of these); low, high (95 % interval of wrong among those decided, by Wilson); kinds, kinds_right, kinds_wrong,
        kinds_nothing; wrong_in, nothing_in (kinds).
    """
    rows = []
    for claim in CLAIMS:
        kinds = [call for call in said if call.claim == claim.name and not call.tuned]
        if not kinds:
            continue
        calls = by_mechanism(kinds)
        true, false = ([call for (_, truth), call in calls.items() if truth is side] for side in (True, False))
        wrong = (true + false).count("wrong")
        decided = len(true) + len(false) - (true + false).count("nothing")
        low, high = wilson(wrong / decided, decided) if decided else (0.0, 1.0)
        row = {"claim": claim.name, "fact": claim.fact, "true": len(true), "false": len(false)}
        row |= {"right_true": true.count("right"), "right_false": false.count("right"), "wrong": wrong}
        row |= {"low": round(low, 3), "high": round(high, 3), "kinds": len(kinds)}
        row |= {f"kinds_{call}": sum(kind.call == call for kind in kinds) for call in CALLS}
        rows.append(row | {f"{call}_in": [kind.case for kind in kinds if kind.call == call] for call in CALLS[1:]})
    return rows


def by_mechanism(said: Sequence[Said]) -> dict[tuple[str, bool], str]:
    """What a rule says of each mechanism, by its name and by whether the claim is true of it: noise can change that."""
    calls: dict[tuple[str, bool], set[str]] = {}
    for kind in said:
        calls.setdefault((kind.mechanism, kind.truth), set()).add(kind.call)
    return {key: next(call for call in ("wrong", "right", "nothing") if call in of) for key, of in calls.items()}


def rules(said: Sequence[Said]) -> list[Said]:
    """One claim's calls for each rule: claims about one fact whose calls agree in every kind are one rule."""
    names = {}
    for claim in reversed(CLAIMS):
        calls = tuple((call.case, call.call) for call in said if call.claim == claim.name)
        names[claim.fact.removeprefix("not "), calls] = claim.name
    return [call for call in said if call.claim in names.values()]
