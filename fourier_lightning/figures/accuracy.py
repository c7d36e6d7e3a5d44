"""Pictures of accuracy: by epoch, and by the number of training pairs."""

from collections import defaultdict
from typing import Any

import numpy as np
from matplotlib.figure import Figure

COLOURS = {  # one colour an arm, in every picture (Okabe and Ito's palette)
    "scratch + frozen pretrained table": "#0072B2",
    "scratch": "#D55E00",
    "scratch + shuffled pretrained table": "#999999",
    "pretrained, fine-tuned": "#009E73",
}
OTHER = "#56B4E9"


def learning_curves(runs: list[dict[str, Any]]) -> Figure:
    """Validation accuracy by training step: one thin line a seed, a thick one for the mean of each arm.

    Args:
        runs: rows with ``arm`` and ``curve``, a list of [step, accuracy].
    """
    figure = Figure(figsize=(7, 4), layout="constrained")  # no pyplot: no display, nothing to close
    axes = figure.subplots()
    for arm, members in by_arm(runs).items():
        curves = [np.array(run["curve"]) for run in members]  # each (epochs, 2)
        for curve in curves:
            axes.plot(curve[:, 0], 100 * curve[:, 1], color=COLOURS.get(arm, OTHER), alpha=0.3, linewidth=0.8)
        mean = np.mean([curve[:, 1] for curve in curves], axis=0)
        axes.plot(
            curves[0][:, 0],
            100 * mean,
            color=COLOURS.get(arm, OTHER),
            linewidth=2,
            label=f"{arm} ({len(curves)} seeds)",
        )
    axes.set(xlabel="training step", ylabel="validation accuracy, exact (%)", ylim=(-2, 102))
    axes.legend(frameon=False, loc="center right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def data_efficiency(runs: list[dict[str, Any]]) -> Figure:
    """Test accuracy by the number of training pairs: a dot a seed, a line through the means.

    Args:
        runs: rows with ``arm``, ``train_pairs`` and ``test/accuracy``.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")  # no pyplot: no display, nothing to close
    axes = figure.subplots()
    for arm, members in by_arm(runs).items():
        by_size = defaultdict(list)
        for run in members:
            by_size[run["train_pairs"]].append(100 * run["test/accuracy"])
        sizes = sorted(by_size)
        axes.plot(sizes, [np.mean(by_size[n]) for n in sizes], color=COLOURS.get(arm, OTHER), linewidth=2, label=arm)
        for n in sizes:
            axes.scatter(
                [n] * len(by_size[n]), by_size[n], color=COLOURS.get(arm, OTHER), s=14, alpha=0.6, linewidths=0
            )
    sizes = sorted({run["train_pairs"] for run in runs})
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{n:,}" for n in sizes], minor=False)
    axes.minorticks_off()
    axes.set(xlabel="training pairs (of 34,191)", ylabel="test accuracy, exact (%)", ylim=(-2, 102))
    figure.legend(frameon=False, loc="outside upper center", ncols=2)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def bands(runs: list[dict[str, Any]]) -> Figure:
    """Exact, modulo 10 and within 10 on the test split, arm by arm: a dot a seed, a line to their mean.

    Args:
        runs: rows with ``arm``, ``test/accuracy``, ``test/mod_10`` and ``test/within_10``.
    """
    groups = by_arm(runs)
    figure = Figure(figsize=(10, 0.35 * len(groups) + 1.2), layout="constrained")
    titles = {"test/accuracy": "exact", "test/mod_10": "correct modulo 10", "test/within_10": "within 10"}
    for axes, (name, title) in zip(figure.subplots(1, 3, sharey=True), titles.items(), strict=True):
        for height, (arm, members) in enumerate(groups.items()):
            values, colour = [100 * run[name] for run in members], COLOURS.get(arm, OTHER)
            axes.hlines(height, 0, np.mean(values), color=colour, linewidth=5, alpha=0.5)
            axes.scatter(values, [height] * len(values), color=colour, s=12, zorder=3)
        axes.set(title=title, xlabel="test split (%)", xlim=(0, 102))
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_yticks(range(len(groups)), list(groups))
    axes.invert_yaxis()
    return figure


def by_arm(runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Runs grouped by arm, in the order of ``COLOURS``, then of their coming."""
    groups = {arm: [run for run in runs if run["arm"] == arm] for arm in [*COLOURS, *(run["arm"] for run in runs)]}
    return {arm: members for arm, members in groups.items() if members}
