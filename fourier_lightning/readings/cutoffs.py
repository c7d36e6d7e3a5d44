"""What filters of a grid leave of a model: from one run that tried them all, or from a sweep's runs of one each."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from fourier_lightning.readings.controls import Row, unlike
from fourier_lightning.readings.effects import Scores
from fourier_lightning.record.models import Merged
from fourier_lightning.record.runs import Run

BANDS = ("low", "high")
MODULES = ("attn", "mlp", "attn_mlp")
CONTROL = "random directions of equal energy"
NUMBER = re.compile(r"\d+(?:\.\d+)?")  # in the text of a reason
SIGNS = {"low": ("<", ">"), "high": (">=", "<=")}  # of the k that a band keeps, and of their periods


@dataclass(frozen=True)
class Outcome:
    """What one filter leaves: means over the models that were tried with it.

    Attributes:
        keep, modules, cutoff: of the filter; the cut-off in k.
        period: T of the cut-off, in numbers.
        found: with the filter; None where it could not be made.
        control: with random directions of equal energy removed instead; None where there are none.
        spread: standard deviation over the control's draws, root mean square over the models; None of one draw.
        invalid: why the filter says nothing about waves in one of these models; "" if it does in all.
        seeds: how many models.
    """

    keep: str
    modules: str
    cutoff: int
    period: float
    found: Scores | None
    control: Scores | None
    spread: Scores | None
    invalid: str
    seeds: int

    @property
    def kept(self) -> str:
        """The waves that are kept: "k < 19 (T > 10.6)"; another selection by its name."""
        if self.keep not in SIGNS:
            return self.keep
        of_k, of_period = SIGNS[self.keep]
        return f"k {of_k} {self.cutoff} (T {of_period} {self.period:.3g})"


@dataclass(frozen=True)
class Grid:
    """Filters that differ in cut-off, band and modules alone.

    Attributes:
        split, method, positions, basis: what they share.
        length: of the number line, by the basis: the period of k = 1.
        whole: the unfiltered model, mean over the models; None in early records.
        outcomes: sorted by band, modules and cut-off.
    """

    split: str
    method: str
    positions: str
    basis: str
    length: int
    whole: Scores | None
    outcomes: Sequence[Outcome]

    def curve(self, keep: str, modules: str) -> list[Outcome]:
        """The filters of one band in some modules that could be made, by cut-off."""
        return [one for one in self.outcomes if (one.keep, one.modules) == (keep, modules) and one.found]

    @property
    def cutoffs(self) -> list[int]:
        """The cut-offs of its low-pass and high-pass filters."""
        return sorted({one.cutoff for one in self.outcomes if one.keep in BANDS and one.found})


def grids(runs: Sequence[Run]) -> list[Grid]:
    """The filters that models of one arm were tried with: a grid for each split, method, positions and basis."""
    groups: dict[tuple[str, ...], list[tuple[Run, Row]]] = {}
    for run in (part for one in runs for part in (one.runs if isinstance(one, Merged) else [one])):
        for row in run.table("filter_grid"):
            shared = (row["method"], row.get("positions", "last"), row.get("basis", "orthonormal"))
            groups.setdefault((str(run.config.get("split", "val")), *shared), []).append((run, row))
    return [grid(*key, rows) for key, rows in groups.items()]  # type: ignore[misc]


def grid(split: str, method: str, positions: str, basis: str, rows: Sequence[tuple[Run, Row]]) -> Grid:
    """One grid, from its rows and the runs that they are of."""
    length = rows[0][0].p - (basis == "paper")
    filters: dict[tuple[str, str, int], list[tuple[Run, Row]]] = {}
    for run, row in rows:
        if row["modules"] != "none":
            filters.setdefault((row["keep"], row["modules"], row["cutoff"]), []).append((run, row))
    order = sorted(filters, key=lambda key: ((*BANDS, key[0]).index(key[0]), MODULES.index(key[1]), key[2]))
    outcomes = [outcome(*key, length / key[2], filters[key]) for key in order]
    whole = mean([row for _, row in rows if row["modules"] == "none"])
    return Grid(split, method, positions, basis, length, whole, outcomes)


def outcome(keep: str, modules: str, cutoff: int, period: float, rows: Sequence[tuple[Run, Row]]) -> Outcome:
    """What one filter leaves, from a row of each model."""
    made = [(run, row) for run, row in rows if row["accuracy"] is not None]
    drawn = [row for _, row in made if row.get("control_energy_accuracy_mean") is not None]
    spread = mean(drawn, "control_energy_", "_std", power=2)
    invalid = next((why for run, row in made if (why := unlike(row, run.p))), "" if made else rows[0][1]["refused"])
    seeds = len({run.model["id"] for run, _ in made})
    control = mean(drawn, "control_energy_", "_mean")
    return Outcome(keep, modules, cutoff, period, mean([row for _, row in made]), control, spread, invalid, seeds)


def mean(rows: Sequence[Row], start: str = "", end: str = "", power: int = 1) -> Scores | None:
    """Means of the scores over rows, of their squares with ``power=2``; None without rows, or where one has none."""
    values = [[row.get(f"{start}{name}{end}") for name in Scores._fields] for row in rows]
    if not values or any(value is None for scores in values for value in scores):
        return None
    return Scores(*(fmean(value**power for value in column) ** (1 / power) for column in zip(*values, strict=True)))


def reasons(outcomes: Iterable[Outcome]) -> dict[str, tuple[str, str]]:
    """The different reasons why filters say nothing: by kind, a letter, and the reason with its numbers as ranges.

    {"collapse: # % of the predictions distinct": ("a", "collapse: 1 to 3 % of the predictions distinct")}
    """
    found: dict[str, list[list[str]]] = {}
    for outcome in outcomes:
        for text in invalid_parts(outcome):
            found.setdefault(kind_of(text), []).append(NUMBER.findall(text))
    return {kind: (chr(ord("a") + place), with_ranges(kind, numbers))
            for place, (kind, numbers) in enumerate(found.items())}  # fmt: skip


def invalid_parts(outcome: Outcome) -> list[str]:
    """The reasons why one filter says nothing."""
    return outcome.invalid.split("; ") if outcome.invalid else []


def kind_of(text: str) -> str:
    """A reason without its numbers."""
    return NUMBER.sub("#", text)


def with_ranges(kind: str, numbers: Sequence[Sequence[str]]) -> str:
    """A reason with the least and the most of each of its numbers in their places."""
    for values in zip(*numbers, strict=True):
        low, high = min(values, key=float), max(values, key=float)
        kind = kind.replace("#", low if float(low) == float(high) else f"{low} to {high}", 1)
    return kind
