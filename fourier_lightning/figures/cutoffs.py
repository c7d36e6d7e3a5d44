"""What is left of a model by the cut-off of its filters, beside random directions of equal energy (ours)."""

import textwrap
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from fourier_lightning.figures.chart import BLUE, GREEN, ORANGE, Axis, Band, Chart, Line, Panel, Points, Rule, Ticks
from fourier_lightning.names import MODULES as NAMES
from fourier_lightning.readings.cutoffs import BANDS, CONTROL, MODULES, Grid, Outcome, reasons
from fourier_lightning.readings.effects import Scores

SCORES = {"exact": BLUE, "modulo 10": GREEN, "within 10": ORANGE}
SPLITS = {"val": "validation", "test": "test", "train": "training"}
CUTOFFS = tuple(digit * 10**power for power in range(5) for digit in (1, 2, 5))  # that the axis may name
PERIODS = (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)  # that its upper edge may name
LETTERS = 42  # in a line of a panel's title


def cutoffs(grids: Mapping[str, Grid]) -> Chart:
    """Exact, modulo 10 and within 10 over the cut-off: a panel for each band and set of modules.

    Args:
        grids: by the words that tell them apart; no words where there is only one.
    """
    wide = [modules for modules in MODULES if any(one.curve(keep, modules) for one in grids.values() for keep in BANDS)]
    panels = [
        panel(one, words, keep, modules, first=modules == wide[0])
        for words, one in grids.items()
        for keep in BANDS
        if any(one.curve(keep, modules) for modules in wide)
        for modules in wide
    ]
    shown = [point for one in grids.values() for point in one.outcomes if point.keep in BANDS]
    why = (
        f" Hollow: not comparable ({'; '.join(text for _, text in reasons(shown).values())})."
        if any(point.invalid for point in shown)
        else ""
    )
    caption = (
        "A filter in every layer keeps the waves below the cut-off k (low-pass) or from it on (high-pass) of what the "
        f"modules add. Dashed: {CONTROL} removed instead, mean over the draws; the band is their standard deviation. "
        f"Dotted: nothing filtered.{why}"
    )
    return Chart("What is left, by the cut-off of the filter", panels, caption, columns=len(wide), height=2.7,
                 width=max(5.0, 3.9 * len(wide)))  # fmt: skip


def panel(grid: Grid, words: str, keep: str, modules: str, first: bool) -> Panel:
    """One band in some modules."""
    points, marks = grid.curve(keep, modules), []
    for place, (name, colour) in enumerate(SCORES.items()):
        marks += control_marks(points, place, f"{name}, {CONTROL}", colour)
    for place, (name, colour) in enumerate(SCORES.items()):
        marks += score_marks(points, place, name, colour)
        if grid.whole and points:
            marks.append(Rule(100 * grid.whole[place], "", colour=colour))
    ks = grid.cutoffs
    ticks = [(float(k), str(k)) for k in CUTOFFS if ks[0] <= k <= ks[-1]] or [(float(k), str(k)) for k in ks]
    title = "\n".join([*textwrap.wrap(words, LETTERS), f"{keep}-pass, {NAMES[modules]}"])
    label = f"cut-off k (above: period T = {grid.length} / k)"
    y = Axis(f"right, {SPLITS[grid.split]} split (%)" if first else " ", limits=(-3, 104))
    return Panel(title, Axis(label, log=True, ticks=ticks), y, marks, top=period_ticks(grid))


def period_ticks(grid: Grid) -> Ticks:
    """Where round periods lie on the axis of cut-offs."""
    first, last = grid.cutoffs[0], grid.cutoffs[-1]
    return [(grid.length / t, str(t)) for t in reversed(PERIODS) if first <= grid.length / t <= last]


def control_marks(points: Sequence[Outcome], place: int, name: str, colour: str) -> list[Any]:
    """The control of one score, broken where there is none: a dashed line in a band, a point with its error alone."""
    marks: list[Any] = []
    for there, some in groupby(points, key=lambda point: point.control is not None):
        pieces = [(p.cutoff, p.control, p.spread or Scores(0, 0, 0)) for p in some if p.control is not None]
        x = [k for k, *_ in pieces]
        y = [100 * mean[place] for _, mean, _ in pieces]
        reach = [100 * spread[place] for *_, spread in pieces]
        if there and len(x) == 1:
            marks.append(Points(x, y, name, colour, error=reach, size=3))
        elif there:
            low, high = ([min(100, max(0, v + sign * r)) for v, r in zip(y, reach, strict=True)] for sign in (-1, 1))
            marks += [Line(x, y, name, colour, dashed=True), Band(x, low, high, name, colour)]
    return marks


def score_marks(points: Sequence[Outcome], place: int, name: str, colour: str) -> list[Any]:
    """One score: a line, a dot for each filter, a hollow one where it is not comparable."""
    value = lambda point: 100 * (point.found or Scores(0, 0, 0))[place]  # noqa: E731
    fair, not_fair = ([p for p in points if bool(p.invalid) == hollow] for hollow in (False, True))
    marks: list[Any] = [Line([p.cutoff for p in points], list(map(value, points)), name, colour)]
    marks.append(Points([p.cutoff for p in fair], list(map(value, fair)), name, colour, size=4,
                        hover=[p.kept for p in fair]))  # fmt: skip
    if not_fair:
        marks.append(Points([p.cutoff for p in not_fair], list(map(value, not_fair)), "not comparable", colour,
                            size=4.5, hollow=True, hover=[f"{p.kept}: {p.invalid}" for p in not_fair]))  # fmt: skip
    return marks
