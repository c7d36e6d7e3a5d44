"""The report's first picture: which arm adds, and what the best one loses without some of its waves (ours)."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fourier_lightning.figures.chart import BLACK, PURPLE, YELLOW, Axis, Bars, Chart, Panel, Points
from fourier_lightning.readings.effects import Effect, Scores
from fourier_lightning.readings.words import removed

NAME = 24  # letters in a line beside a bar
METRICS = {"exact": "#4D5B66", "modulo 10": PURPLE, "within 10": YELLOW}  # no arm's colours
MOST = 6  # arms in it


def overview(
    arms: Mapping[str, Sequence[float]], palette: Mapping[str, str], whole: Scores | None, effects: Sequence[Effect]
) -> Chart:
    """Test accuracy of each arm, and the best arm's answers with waves removed, beside random directions.

    Args:
        arms: by name, the seeds' test accuracy, the best arm first.
        palette: colour by name.
        whole: of the arm that the effects are of, with nothing removed; None without effects.
        effects: what filters do to it.
    """
    shown = dict(list(arms.items())[:MOST])
    panels, heights = [arms_panel(shown, palette)], [2.5 * len(shown) + 0.5]  # in bars
    caption = "Above: test split. Bars: means. Dots: seeds."
    if whole:
        panels.append(effects_panel(whole, effects))
        heights.append(3.0 * (1 + len(effects)))
        caption += (
            " Below: the best arm, validation split. Dots: with random directions of the same energy removed instead "
            "(rank: with as many directions)."
        )
    return Chart("Which arm adds, and what it needs", panels, caption, ratios=heights,
                 height=0.125 * sum(heights) / len(heights))  # fmt: skip


def arms_panel(arms: Mapping[str, Sequence[float]], palette: Mapping[str, str]) -> Panel:
    """A bar an arm, a dot a seed."""
    marks: list[Any] = []
    for place, (name, values) in enumerate(arms.items()):
        percents = [100 * value for value in values]
        marks.append(Bars([place], [float(np.mean(percents))], "", palette[name], across=True))
        marks.append(Points(percents, [place] * len(percents), "", BLACK, size=3))
    return Panel("exact (%)", Axis("", limits=(0, 101)), names(list(arms)), marks)


def effects_panel(whole: Scores, effects: Sequence[Effect]) -> Panel:
    """Three bars for each filter, and a dot on each for its control."""
    rows = [whole, *(effect.found for effect in effects)]
    marks: list[Any] = []
    for index, (name, colour) in enumerate(METRICS.items()):
        places = [row + 0.28 * (index - 1) for row in range(len(rows))]
        marks.append(Bars(places, [100 * scores[index] for scores in rows], name, colour, 0.26, across=True))
        beside = [(place, effect.control) for place, effect in zip(places[1:], effects, strict=True) if effect.control]
        if beside:
            marks.append(Points([100 * control[index] for _, control in beside], [place for place, _ in beside],
                                "at equal energy", BLACK, size=4))  # fmt: skip
    marks.sort(key=lambda mark: isinstance(mark, Points))
    labels = ["nothing removed", *(f"no {removed(effect)}" for effect in effects)]
    equal = [" (rank)" if "rank" in effect.equal else "" for effect in effects]
    labels[1:] = [label + note for label, note in zip(labels[1:], equal, strict=True)]
    return Panel("with waves removed (%)", Axis("", limits=(0, 101)), names(labels), marks)


def names(labels: Sequence[str]) -> Axis:
    """An axis that names bars, the first on top."""
    ticks = [(float(place), "\n".join(textwrap.wrap(label, NAME))) for place, label in enumerate(labels)]
    return Axis("", ticks=ticks, limits=(len(labels) - 0.45, -0.55))
