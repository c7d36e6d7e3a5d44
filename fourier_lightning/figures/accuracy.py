"""Accuracy: by layer, by epoch, by arm, by the number of training pairs (paper figures 1a, 7b)."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fourier_lightning.figures.chart import (
    BLUE,
    GREEN,
    ORANGE,
    Axis,
    Band,
    Bars,
    Chart,
    Line,
    Panel,
    Points,
    colours,
)  # fmt: skip
from fourier_lightning.readings.seeds import Curve, mean_curve
from fourier_lightning.readings.words import seeds

NAME = 26  # letters in a line of an arm's name beside its bar


def lens_accuracy(rows: Sequence[dict[str, Any]]) -> Chart:
    """Logit-lens accuracy after each module: exact, within 2, within 10 (figure 1a).

    Args:
        rows: of ``lens_accuracy``.
    """
    places = [
        (float(i), "embed" if row["layer"] < 0 else f"{row['layer']} {row['after']}") for i, row in enumerate(rows)
    ]
    x = [place for place, _ in places]
    kinds = {"accuracy": ("exact", BLUE), "within_2": ("within 2", GREEN), "within_10": ("within 10", ORANGE)}
    marks: list[Any] = []
    for metric, (name, colour) in kinds.items():
        y = [100 * row[metric] for row in rows]
        marks += [Line(x, y, name, colour), Points(x, y, name, colour)]
    every = max(1, len(places) // 12)
    axis = Axis("residual stream after layer and module", ticks=places[::every])
    return Chart(
        "How soon the answer is there",
        [Panel("", axis, Axis("logit-lens accuracy (%)", limits=(-2, 102)), marks)],
        "The residual stream at the last position is read as if the model ended there; only number tokens compete. "
        "Validation split.",
    )


def learning_curves(
    groups: Mapping[str, Sequence[Curve]], x_label: str = "epoch", palette: Mapping[str, str] | None = None
) -> Chart:
    """Validation accuracy by epoch: a faint line a seed, mean and standard deviation of each arm (figure 7b).

    Args:
        groups: by label, a curve for each seed.
        x_label: what the curves' x is.
        palette: colour by label, if not by their order.
    """
    marks: list[Any] = []
    chosen = palette or colours(list(groups))
    for label in groups:
        colour = chosen[label]
        curves = [(np.asarray(x), 100 * np.asarray(y)) for x, y in groups[label]]
        marks += [Line(x, y, label, colour, faint=True) for x, y in curves]
        x, mean, spread = mean_curve(curves)  # a run that stopped early ends the mean
        name = f"{label} ({seeds(len(curves))})"
        marks.append(Line(x, mean, name, colour))
        if spread is not None:
            marks.append(Band(x, np.clip(mean - spread, 0, 100), np.clip(mean + spread, 0, 100), name, colour))
    return Chart(
        "Validation accuracy during training",
        [Panel("", Axis(x_label), Axis("validation accuracy, exact (%)", limits=(-2, 102)), marks)],
        "Faint: single seeds. Thick: their mean; the band is a standard deviation.",
        height=4,
    )


def data_efficiency(
    sizes: Mapping[str, Mapping[int, Sequence[float]]], palette: Mapping[str, str] | None = None
) -> Chart:
    """Test accuracy by the number of training pairs: a dot a seed, a line through the means (ours).

    Args:
        sizes: by label, the accuracies of the seeds for each number of training pairs.
        palette: colour by label, if not by their order.
    """
    marks: list[Any] = []
    chosen = palette or colours(list(sizes))
    for label in sizes:
        colour = chosen[label]
        x = sorted(sizes[label])
        marks.append(Line(x, [100 * float(np.mean(sizes[label][n])) for n in x], label, colour))
        dots = [(n, 100 * value) for n in x for value in sizes[label][n]]
        marks.append(Points([n for n, _ in dots], [value for _, value in dots], label, colour, size=4))
    ticks = [(float(n), f"{n:,}") for n in sorted({n for by_size in sizes.values() for n in by_size})]
    axis = Axis("training pairs", log=True, ticks=ticks)
    return Chart(
        "Accuracy by training data",
        [Panel("", axis, Axis("test accuracy, exact (%)", limits=(-2, 102)), marks)],
        "Test split. Training rows are nested; validation and test rows are the same everywhere.",
        height=4,
    )


def arms(values: Mapping[str, Mapping[str, Sequence[float]]], palette: Mapping[str, str] | None = None) -> Chart:
    """Exact, modulo 10 and within 10, label by label: a bar to the mean, a dot a seed (ours).

    Args:
        values: by label, the seeds' values of each metric, which is named with its split ("test/accuracy").
        palette: colour by label, if not by their order.
    """
    titles = {"accuracy": "exact", "mod_10": "correct modulo 10", "within_10": "within 10"}
    metrics, chosen = list(next(iter(values.values()))), palette or colours(list(values))
    names = [(float(place), "\n".join(textwrap.wrap(label, NAME))) for place, label in enumerate(values)]
    panels = []
    for name in metrics:
        marks: list[Any] = []
        for place, label in enumerate(values):
            seen = [100 * value for value in values[label][name]]
            marks.append(Bars([place], [float(np.mean(seen))], "", chosen[label], across=True))
            marks.append(Points(seen, [place] * len(seen), "single seeds", "#222222", size=3))
        split, _, metric = name.partition("/")
        y = Axis("arm", ticks=names, limits=(len(values) - 0.4, -0.6), shared=True)  # the first arm stands on top
        axis = Axis(f"{split} split (%)", limits=(0, 105))
        panels.append(Panel(titles.get(metric, metric), axis, y, marks))
    lines = sum(1 + name.count("\n") for _, name in names)
    return Chart("Which arm adds", panels, "Bars: means. Dots: seeds.", columns=len(panels),
                 height=0.9 + 0.2 * max(lines, 1.7 * len(names)), width=12 if len(panels) > 1 else 7.5)  # fmt: skip
