"""From numbers to verdicts: intervals over seeds, and what they say about a claim."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from fourier_lightning.claims.measures import Measure, Measured
from fourier_lightning.readings.seeds import bootstrap, finished, wilson
from fourier_lightning.record.runs import Run, by_label

LEARNED = 0.5  # accuracy on the training split below which a run says nothing about its arm
Outcome = Literal["supported", "contradicted", "undecided", "not measured"]


@dataclass(frozen=True)
class Bound:
    """What the number has to be.

    Attributes:
        limit: the number's bound.
        side: which side of it the claim is on; the bound itself belongs to the claim.
        words: the same in words, with the tolerance.
        specific: whether the claim falls if its control passes too: then the number says nothing about waves.
    """

    limit: float
    side: Literal["above", "below"]
    words: str
    specific: bool = True

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


def judge(claim: Claim, runs: Sequence[Run]) -> list[Verdict]:
    """A verdict for each model that the claim is about and that has the record for it; else one "not measured".

    A run that is not finished gives no number, nor does one of another task than the paper's, nor one that did not
    learn its own training pairs.
    """
    done = [run for run in finished(runs) if run.task["name"] == "addition"]
    measured: dict[Run, Measured] = {}
    candidates = [run for run in done if claim.of(run)] if claim.measure else []
    learned = [run for run in candidates if run.metrics.get("train/accuracy", 1.0) >= LEARNED]
    absent = ""
    for run in learned:
        try:
            found = claim.measure(run, done) if claim.measure else None
        except ImportError as error:  # one claim needs scikit-learn: the others stand without it
            found, absent = None, f"{error.name} is not installed"
        if found is not None:
            measured[run] = found
    verdicts = [
        decide(claim, label, [(run, measured[run]) for run in members]) for label, members in by_label(measured).items()
    ]
    if verdicts:
        return verdicts
    if claim.needs:
        why = claim.needs
    elif absent:
        why = absent
    elif candidates and not learned:
        why = "these runs did not learn their own training pairs: train longer"
    elif candidates:
        why = f"the records lack it: {claim.measurement}"
    else:
        why = f"no finished run of it: {claim.subject}"
    return [Verdict(claim.name, "not measured", "-", [], None, None, None, None, why, "")]


def decide(claim: Claim, label: str, found: Sequence[tuple[Run, Measured]]) -> Verdict:
    """The verdict on one model from its seeds' numbers."""
    bound, numbers = claim.bound, [measured for _, measured in found]
    assert bound is not None
    values = [measured.value for measured in numbers]
    controls = [measured.control for measured in numbers if measured.control is not None]
    value, (low, high) = float(np.mean(values)), interval(numbers)
    control = float(np.mean(controls)) if controls else None
    ends = [bound.passes(end) for end in (value, low, high) if end is not None]
    outcome: Outcome
    if all(ends) and bound.specific and control is not None and bound.passes(control):
        outcome, why = "undecided", f"within the bound ({bound.words}), but so is the control"
    elif all(ends):
        outcome, why = "supported", bound.words
    elif not any(ends) and all(measured.blunt for measured in numbers):
        outcome, why = "undecided", numbers[0].blunt
    elif not any(ends):
        outcome, why = "contradicted", f"not {bound.words}"
    else:
        outcome, why = "undecided", f"the interval covers the bound ({bound.words})"
    run = found[0][0]
    backbone = f" ({run.config['backbone']['name'].replace('_', '-')})" if run.arm.uses_backbone else ""
    seeds = sorted(run.seed for run, _ in found if run.seed is not None)
    return Verdict(claim.name, outcome, label + backbone, seeds, value, low, high, control, why, numbers[0].detail)


def interval(numbers: Sequence[Measured]) -> tuple[float | None, float | None]:
    """95 % interval of the mean: bootstrap over seeds; of one seed's proportion, Wilson's over its examples."""
    values = [measured.value for measured in numbers]
    if len(values) > 1:
        return bootstrap(values)
    return (None, None) if numbers[0].n is None else wilson(values[0], numbers[0].n)
