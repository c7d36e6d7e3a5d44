"""Errors, ablations and single waves (Table 1, paper figures 11, 12, 21, 23)."""

from collections.abc import Mapping, Sequence
from typing import Any

from fourier_lightning.figures.chart import BLACK, BLUE, GREY, ORANGE, SKY, Axis, Bars, Chart, Panel, Points, Rule
from fourier_lightning.readings.paper import TABLE_1
from fourier_lightning.readings.words import MODULES


def error_histogram(rows: Sequence[dict[str, Any]], title: str, reach: int = 30) -> Chart:
    """How far wrong answers are off (figures 12, 21, 23).

    Args:
        rows: with ``error`` (prediction minus answer) and ``count``.
        title: of the panel.
        reach: errors beyond it are counted in the caption alone.
    """
    counts = {row["error"]: row["count"] for row in rows}
    total, wrong = sum(counts.values()), sum(count for error, count in counts.items() if error)
    inside = {error: counts.get(error, 0) for error in range(-reach, reach + 1) if error}
    tens = sum(count for error, count in counts.items() if error and error % 10 == 0)
    far = wrong - sum(inside.values())
    by_ten = {error: count for error, count in inside.items() if error % 10 == 0}
    marks: list[Any] = [
        Bars(list(inside), list(inside.values()), "wrong answers", BLUE, 0.9),
        Bars(list(by_ten), list(by_ten.values()), "off by a multiple of 10", ORANGE, 0.9),
    ]
    share = f"{tens / wrong:.0%} of the errors are multiples of 10 (chance 10 %)" if wrong else "no error"
    axis = Axis("error: prediction minus answer (numbers)", limits=(-reach - 0.5, reach + 0.5))
    return Chart(
        "Where wrong answers go",
        [Panel(title, axis, Axis("examples"), marks)],
        f"{wrong:,} of {total:,} validation examples wrong; {share}; {far:,} are off by more than {reach}.",
    )


def wide_histogram(rows: Sequence[dict[str, Any]], title: str, p: int, bins: int = 40) -> Chart:
    """Errors over the whole number line in equal bins, for filters that leave little (figure 12).

    Args:
        rows: with ``error`` and ``count``.
        title: of the panel.
        p: length of the number line.
        bins: over the range of errors.
    """
    width = 2 * p / bins
    heights = [0] * bins
    for row in rows:
        heights[min(bins - 1, int((row["error"] + p) / width))] += row["count"]
    centres = [-p + (index + 0.5) * width for index in range(bins)]
    total = sum(heights)
    mean = sum(row["error"] * row["count"] for row in rows) / max(1, total)
    marks: list[Any] = [Bars(centres, heights, "examples", BLUE, 0.95 * width), Rule(0, "no error", "x")]
    return Chart(
        "Errors with one wave alone",
        [Panel(title, Axis("error: prediction minus answer (numbers)"), Axis("examples"), marks)],
        f"{total:,} validation examples, mean error {mean:.1f}.",
    )


def single_waves(rows: Sequence[dict[str, Any]], metric: str) -> Chart:
    """One wave kept in all modules: parity right, or the exact answer wrong (figure 11).

    Args:
        rows: of ``single_component`` that have the metric.
        metric: "mod_2" (11a), or "accuracy", shown as the share of wrong answers (11b).
    """
    value = (lambda v: 100 * v) if metric == "mod_2" else (lambda v: 100 - 100 * v)
    kind, equal = ("control_energy", "energy") if all(
        row.get(f"control_energy_{metric}_mean") is not None for row in rows) else ("control", "rank")  # fmt: skip
    drawn = [(i, row) for i, row in enumerate(rows) if row["control_draws"]]
    ticks = [(float(i), f"T={row['period']:.3g}") for i, row in enumerate(rows)]
    marks: list[Any] = [Bars(range(len(rows)), [value(row[metric]) for row in rows], "one wave kept", BLUE)]
    if drawn:
        marks.append(Points([i for i, _ in drawn], [value(row[f"{kind}_{metric}_mean"]) for _, row in drawn],
                            f"random directions of equal {equal} gone, ± sd", GREY,
                            error=[100 * (row[f"{kind}_{metric}_std"] or 0) for _, row in drawn]))  # fmt: skip
    if metric == "mod_2":
        marks.append(Rule(50, "chance"))
    label = {"mod_2": "parity right (%)", "accuracy": "exact answer wrong (%)"}[metric]
    return Chart(
        "What one wave does alone",
        [
            Panel(
                "", Axis("wave kept in all attention and MLP outputs", ticks=ticks), Axis(label, limits=(0, 105)), marks
            )
        ],
        "Validation split, last position. Grey: random directions of the number line removed instead, "
        + {"energy": "as many as hold what the filter takes.", "rank": "as many as the filter removes."}[equal],
    )


def knock_outs(rows: Sequence[dict[str, Any]]) -> Chart:
    """What each wave is worth against how large it is: a large peak can be causally inert (ours).

    Args:
        rows: of ``knock_out``.
    """
    mean, spread = rows[0]["control_loss_mean"], rows[0]["control_loss_std"]
    intact, limit = rows[0]["loss"] - rows[0]["loss_increase"], rows[0].get("limit")
    worst = sorted(rows, key=lambda row: -row["loss_increase"])[:6]
    names = [f"T={row['period']:.3g}" for row in worst]
    rest = [row for row in rows if row not in worst]
    where = lambda some: ([row["power"] for row in some], [row["loss_increase"] for row in some])  # noqa: E731
    marks: list[Any] = [
        Points(*where(rest), "a component k", BLUE, size=4),
        Points(*where(worst), "the six costliest", ORANGE, names),
        Rule(mean - intact, "two random directions", colour=GREY),
        Rule(mean - intact + 2 * spread, "and two standard deviations more", colour=BLACK) if limit is None
        else Rule(limit, "the most that random ones cost (5 %)", colour=BLACK),
    ]  # fmt: skip
    x = Axis("mean power in the final logits", log=True)
    return Chart(
        "What one wave is worth",
        [Panel("", x, Axis("increase of the loss without it (nats)"), marks)],
        "One component at a time is removed from all attention and MLP outputs at the last position. The control "
        "removes two random directions of the number line.",
    )


def table_1(tables: Mapping[str, Sequence[dict[str, Any]]]) -> Chart:
    """Accuracy without low or high waves, beside controls of equal energy and rank, and the paper's (Table 1).

    Args:
        tables: by method, the rows of ``filter_ablation`` that it could be made for, the unfiltered one among them.
    """
    panels, keys = [], list(TABLE_1)
    ticks = [(float(i), f"{MODULES[m]}\n{r}" if r != "none" else "no filter")
             for i, (m, r) in enumerate(keys)]  # fmt: skip
    for method, found in tables.items():
        if len(found) < 2:
            continue
        rows = {keys.index((row["modules"], row["removed"])): row for row in found}
        equal = {i: row for i, row in rows.items() if row.get("control_energy_accuracy_mean") is not None}
        drawn = {i: row for i, row in rows.items() if row["control_draws"]}
        shift, width = (0.2, 0.38) if equal else (0.0, 0.7)
        marks: list[Any] = [Bars([i - shift for i in rows], percents(rows, "accuracy"), "exact", BLUE, width)]
        if equal:
            marks.append(Bars([i + shift for i in equal], percents(equal, "control_energy_accuracy_mean"),
                              "random directions, equal energy, ± sd", SKY, width,
                              percents(equal, "control_energy_accuracy_std")))  # fmt: skip
        marks += [
            Points([i + shift for i in drawn], percents(drawn, "control_accuracy_mean"),
                   "random directions, equal rank, ± sd", GREY, error=percents(drawn, "control_accuracy_std")),
            Points([i - shift for i in rows], [100 * TABLE_1[keys[i]][1] for i in rows], "paper (GPT-2-XL)", ORANGE),
        ]  # fmt: skip
        axis = Axis("filtered modules, removed waves", ticks=ticks, limits=(-0.6, len(keys) - 0.4))
        panels.append(Panel(f"method: {method}", axis, Axis("accuracy, exact (%)", limits=(0, 105)), marks))
    return Chart(
        "Without low or high waves",
        panels,
        "Validation split. Random directions of the number line: as many as the filter removes (equal rank), or as "
        "many as hold as much of what the modules write (equal energy). Where blue and they fall together, the row "
        "says little about waves. No bar: this method has no such filter here.",
        width=10,
    )


def percents(rows: Mapping[int, dict[str, Any]], name: str) -> list[float]:
    """A column in percent, 0 where it is null."""
    return [100 * (row[name] or 0) for row in rows.values()]
