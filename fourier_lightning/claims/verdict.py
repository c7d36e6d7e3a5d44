"""From numbers to verdicts: intervals over seeds, controls, what can be compared, and how often a rule errs."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from fourier_lightning.claims.calibrated import ERRS, FEWEST, error_rate, tried
from fourier_lightning.claims.intervals import beyond_control, interval
from fourier_lightning.claims.measures import Measure, Measured
from fourier_lightning.readings.learning import unfit, without_mechanism
from fourier_lightning.readings.seeds import finished
from fourier_lightning.readings.tables import distinct
from fourier_lightning.record.runs import Run, by_label

Outcome = Literal["supported", "not here", "undecided", "not comparable", "not measured"]
AGREEING = 3  # seeds that have to agree where each of them is counted by tests of its own
ONE_SEED, AGREE = "one seed", f"{AGREEING} have to agree"  # why a verdict wants more seeds


@dataclass(frozen=True)
class Bound:
    """What the number has to be.

    Attributes:
        limit: the number's bound.
        side: which side of it the claim is on; the bound itself belongs to the claim.
        words: the same in words, with the tolerance.
        specific: whether the number has to be beyond its control too, by an interval that holds the spread of both.
        ratio: whether numbers and limit are log2 of a ratio, which is what is printed.
    """

    limit: float
    side: Literal["above", "below"]
    words: str
    specific: bool = True
    ratio: bool = False

    def passes(self, value: float) -> bool:
        """Whether a number is on the claim's side."""
        return value >= self.limit if self.side == "above" else value <= self.limit


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, as data.

    Attributes:
        name: short, for rows and links.
        statement: what the paper says.
        where: in the paper.
        paper: its number, as printed; "-" where it prints none.
        subject: which models it is about, in words.
        of: the same as a predicate on runs.
        measurement: what decides it, in words.
        measure: the same as a function of a record; None if no instrument can measure it yet.
        bound: that the measurement has to keep.
        needs: what is missing, for claims that can't be measured.
        about: what it speaks of: ``learning`` (how right a model is, how soon: answers are counted, and no test of a
            mechanism is needed), ``mechanism`` (how it adds: no question to a model that doesn't, or that only knows
            its training pairs) or ``table`` (the number rows: seeds that share one table count as one).
        fact: what it asserts of a model, e.g. "writes(mlp, 2)": models of known mechanism say whether that is so, which
            is how its rule is calibrated. Without that a rule about a mechanism or a table decides nothing.
        tasks: names of the tasks whose runs can tell.
    """

    name: str
    statement: str
    where: str
    paper: str
    subject: str
    of: Callable[[Run], bool]
    measurement: str
    measure: Measure | None
    bound: Bound | None
    needs: str = ""
    about: Literal["learning", "mechanism", "table"] = "mechanism"
    fact: str = ""
    tasks: tuple[str, ...] = ("addition",)


@dataclass(frozen=True)
class Verdict:
    """What the records of one model (all its seeds) say about a claim.

    Attributes:
        value: mean over the seeds; ``low``, ``high``: its 95 % interval, None where one seed gives none.
        control: mean of the control over the seeds.
        why: how the outcome follows.
    """

    claim: str
    outcome: Outcome
    model: str
    seeds: list[int]
    value: float | None
    low: float | None
    high: float | None
    control: float | None
    why: str
    detail: str

    def row(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def judge(claim: Claim, runs: Sequence[Run], rate: float | None = None) -> list[Verdict]:
    """A verdict for each model that the claim is about and that has the record for it; else one "not measured".

    A run that is not finished gives no number, nor does one of another task than the claim's.

    Args:
        claim: asked.
        runs: all that there are: contrasts look at the others.
        rate: how often its rule errs on models of known mechanism; None for the committed calibration's.
    """
    done = [run for run in finished(runs) if run.task["name"] in claim.tasks]
    measured: dict[Run, Measured] = {}
    candidates = [run for run in done if claim.of(run)] if claim.measure else []
    absent = ""
    for run in candidates:
        try:
            found = claim.measure(run, done) if claim.measure else None
        except ImportError as error:  # one claim needs scikit-learn: the others stand without it
            found, absent = None, f"{error.name} is not installed"
        if found is not None:
            measured[run] = found
    known = error_rate(claim.name) if rate is None else rate
    verdicts = [
        judge_model(claim, label, {run: measured[run] for run in members}, known)
        for label, members in by_label(measured).items()
    ]
    if verdicts:
        return [shown(claim, verdict) for verdict in verdicts] if rate is None else verdicts
    lacking = f"the records lack it: {claim.measurement}" if candidates else f"no finished run of it: {claim.subject}"
    why = claim.needs or absent or lacking
    return [Verdict(claim.name, "not measured", "-", [], None, None, None, None, why, "")]


def shown(claim: Claim, verdict: Verdict) -> Verdict:
    """A verdict, if its rule was right to say yes of some mechanism and no of another; else "not comparable"."""
    row, answers = tried(claim.name), {"right_true": "supported", "right_false": "not here"}
    never = " or ".join(repr(answer) for key, answer in answers.items() if row and not row[key])
    if claim.about == "learning" or not never or verdict.outcome not in answers.values():
        return verdict
    return replace(
        verdict, outcome="not comparable", why=f"its rule was never right to say {never} of known mechanisms"
    )


def judge_model(claim: Claim, label: str, found: dict[Run, Measured], rate: float | None) -> Verdict:
    """The verdict on one model; seeds that can't say anything are left out, and counted."""
    barred = {run: why for run in found if (why := bars(claim, run))}
    rest = [(run, measured) for run, measured in found.items() if run not in barred]
    if not rest:
        why = next(iter(barred.values()))
        return decide(claim, label, [(run, replace(one, incomparable=why)) for run, one in found.items()])
    verdict = decide(claim, label, rest, rate)
    if not barred:
        return verdict
    out = f"{len(barred)} of {len(found)} seeds left out: {next(iter(barred.values()))}"
    return replace(verdict, detail=f"{verdict.detail}; {out}" if verdict.detail else out)


def bars(claim: Claim, run: Run) -> str:
    """Why a run can't say anything about a claim of this kind; "" if it can."""
    if claim.about == "table" and (run.arm.frozen or not run.arm.trained):
        return ""
    if claim.about == "learning":
        held_out = f"its split holds out {run.split}, the paper's does not" if run.split != "random" else ""
        return held_out or unfit(run)
    return without_mechanism(run)


def decide(claim: Claim, label: str, found: Sequence[tuple[Run, Measured]], rate: float | None = None) -> Verdict:
    """The verdict on one model from its seeds' numbers.

    A model that nothing was trained of, and one table that all seeds share, are all there is of their kind: one number
    decides. Of a trained model one seed decides nothing.

    Args:
        claim: whose bound it is.
        label: of the model.
        found: seeds and their numbers.
        rate: share of models of known mechanism in which the claim's rule errs; None if that is not known.
    """
    rate = 0.0 if claim.about == "learning" else rate
    assert claim.bound is not None
    first, count = found[0][0], len(found)
    alone, shared = not first.arm.trained, ""
    counted = list(found)
    if claim.about == "table" and count > 1:
        counted = distinct(found)
        alone = alone or len(counted) == 1
        shared = f"one table, shared by {count} seeds" if len(counted) == 1 else ""
    elif claim.about == "table" and first.arm.frozen:
        alone = True
    numbers = [measured for _, measured in counted]
    printed = (float(np.mean([number.value for number in numbers])), *interval(numbers, alone))
    value, low, high = (2**end if claim.bound.ratio and end is not None else end for end in printed)
    controls = [one.control for one in numbers if one.control is not None]
    outcome, why = outcome_of(claim.bound, numbers, alone, rate)
    backbone = f" ({first.config['backbone']['name'].replace('_', '-')})" if first.arm.uses_backbone else ""
    return Verdict(
        claim.name, outcome, label + backbone, sorted(run.seed for run, _ in found if run.seed is not None),
        value, low, high, float(np.mean(controls)) if controls else None, why,
        "; ".join(filter(None, (numbers[0].detail, shared))),
    )  # fmt: skip


def outcome_of(bound: Bound, numbers: Sequence[Measured], alone: bool, rate: float | None) -> tuple[Outcome, str]:
    """What some seeds' numbers say, and why.

    Args:
        bound: of the claim.
        numbers: one a seed (or table).
        alone: whether one of them is all there is.
        rate: see ``decide``.
    """
    unlike = [one.incomparable for one in numbers if one.incomparable]
    if unlike:
        counted = "" if len(numbers) == 1 else f" ({len(unlike)} of {len(numbers)} seeds)"
        return "not comparable", unlike[0] + counted
    if rate is None:
        return "not comparable", f"its rule did not decide {FEWEST} known mechanisms"
    if rate > ERRS:
        return "not comparable", f"its rule was wrong about {rate:.0%} of the known mechanisms that it decided"
    if len(numbers) == 1 and not alone:
        return "undecided", ONE_SEED
    tested = all(one.tested for one in numbers)
    if tested and not alone and len(numbers) < AGREEING:
        return "undecided", f"{len(numbers)} seeds, of which each is tested by itself: {AGREE}"
    low, high = interval(numbers, alone)
    middle = float(np.mean([one.value for one in numbers]))
    ends = [one.value for one in numbers] if tested else [e for e in (middle, low, high) if e is not None]
    passed = [bound.passes(end) for end in ends]
    if not any(passed):
        blunt = numbers[0].blunt if all(one.blunt for one in numbers) else ""
        return ("undecided", blunt) if blunt else ("not here", f"not {bound.words}")
    if not all(passed):
        return (
            "undecided",
            f"seeds differ ({bound.words})" if tested else f"the interval covers the bound ({bound.words})",
        )
    if bound.specific and not beyond_control(numbers, bound.side):
        return "undecided", f"within the bound ({bound.words}), but not beyond its control"
    return "supported", bound.words
